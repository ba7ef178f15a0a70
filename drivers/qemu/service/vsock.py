"""The host's end of a guest's vsock: opened here, with its number set, and handed to QEMU."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.validate.vsock import FIRST
from embervirt.drivers.xml import replace
from embervirt.errors import SystemError_

DEVICE = "/dev/vhost-vsock"
SET_GUEST_CID = 0x4008AF60
"""``VHOST_VSOCK_SET_GUEST_CID`` of linux/vhost.h: _IOW(0xAF, 0x60, __u64)."""

LAST = 2**32 - 2
"""The highest number; the next one stands for any (vsock(7))."""


@contextlib.contextmanager
def opened(domain: Domain) -> Iterator[tuple[Domain, int]]:
    """The domain with the number that its vsock got, and the descriptor (-1 for none), open until the end.

    Raises SystemError_: the host has no vhost-vsock, or the number is somebody else's.
    """
    if not domain.devices.vsocks:
        yield domain, -1
        return
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _failed(f"unable to open vhost-vsock device {DEVICE}", error) from error
    try:
        yield _numbered(domain, descriptor), descriptor
    finally:
        os.close(descriptor)


def _numbered(domain: Domain, descriptor: int) -> Domain:
    vsock = domain.devices.vsocks[0]
    cid = vsock.cid
    if cid is None:
        return domain
    if cid.auto:
        cid = replace(cid, address=_free(descriptor))
    elif cid.address is not None:
        _set(descriptor, cid.address)
    return replace(domain, devices=replace(domain.devices, vsocks=(replace(vsock, cid=cid),)))


def _free(descriptor: int) -> int:
    for cid in range(FIRST, LAST + 1):
        try:
            _set(descriptor, cid)
        except SystemError_ as taken:
            if taken.get_int1() != errno.EADDRINUSE:
                raise
        else:
            return cid
    raise SystemError_("unable to set guest cid: all are taken", int1=errno.EADDRINUSE)


def _set(descriptor: int, cid: int) -> None:
    try:
        fcntl.ioctl(descriptor, SET_GUEST_CID, struct.pack("=Q", cid))
    except OSError as error:
        raise _failed(f"unable to set guest cid {cid}", error) from error


def _failed(what: str, error: OSError) -> SystemError_:
    return SystemError_(f"{what}: {error.strerror}", int1=error.errno or -1, virdomain=VIR_FROM_QEMU)
