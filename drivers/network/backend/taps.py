"""Taps: links whose frames come and go by descriptors of /dev/net/tun (tuntap.rst of the kernel)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path

from embervirt.drivers.network.errors import told
from embervirt.drivers.root.descriptors import close_all

TUN = Path("/dev/net/tun")
TUNSETIFF, TUNGETFEATURES = 0x400454CA, 0x800454CF
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL = 0x0002, 0x0100, 0x1000, 0x4000, 0x8000
"""linux/if_tun.h."""

_REQUEST = struct.Struct("16sH22x")
LONGEST = 15
"""Bytes of a link's name (IFNAMSIZ without its end)."""


def open_tap(name: str, queues: int, *, vnet_hdr: bool, new: bool = True) -> list[int]:
    """A descriptor (close-on-exec, non-blocking) for each queue of the tap ``name``; the last one that is
    closed takes the tap away.

    ``new``: there is none of that name. Raises NetworkSystemError.
    """
    flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if vnet_hdr else 0) | (IFF_MULTI_QUEUE if queues > 1 else 0)
    made: list[int] = []
    try:
        for number in range(queues):
            made.append(_queue(name, flags | (IFF_TUN_EXCL if new and not number else 0)))
    except BaseException:
        close_all(made)
        raise
    return made


def _queue(name: str, flags: int) -> int:
    with told(f"Unable to open {TUN}, is tun module loaded?"):
        descriptor = os.open(TUN, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with told(f"Unable to create tap device {name}"):
            fcntl.ioctl(descriptor, TUNSETIFF, _REQUEST.pack(name.encode(), flags))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_macvtap(index: int, queues: int, *, vnet_hdr: bool) -> list[int]:
    """The same for a macvtap: its device is made by udev, or devtmpfs. Raises NetworkSystemError."""
    path = macvtap(index)
    flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if vnet_hdr else 0) | (IFF_MULTI_QUEUE if queues > 1 else 0)
    made: list[int] = []
    try:
        with told(f"cannot open macvtap tap device {path}"):
            for _ in range(queues):
                made.append(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
                fcntl.ioctl(made[-1], TUNSETIFF, _REQUEST.pack(b"", flags))
    except BaseException:
        close_all(made)
        raise
    return made


def macvtap(index: int) -> Path:
    """Its device, by the number of the link."""
    return Path(f"/dev/tap{index}")


def held() -> set[str]:
    """Paths of all that any process of this host has open; the right to configure networks sees them."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it was closed, or is no process any more
            found.add(str(each.readlink()))
    return found


def check_name(name: str) -> None:
    """Raises NetworkSystemError for what the kernel takes for no name of a link."""
    if not name or len(name.encode()) > LONGEST or name in (".", "..") or any(c in name for c in "/: %"):
        with told(f"link name '{name}': expected 1 to {LONGEST} bytes without '/', ':', '%' and spaces"):
            raise OSError(errno.EINVAL, "Invalid argument")
