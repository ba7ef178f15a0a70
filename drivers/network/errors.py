"""The network driver's leaves of the error tree; codes and words as libvirt 9 answers the same failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

from embervirt.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArgument,
    NotSupported,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    SystemError_,
    XmlDetail,
    XmlError,
    libvirtError,
)

VIR_FROM_NETWORK = 19
"""``virErrorDomain`` of the network driver."""


class InvalidNetwork(libvirtError):
    """A handle that is none of a network."""

    code, virdomain, prefix = 36, VIR_FROM_NETWORK, "invalid network pointer in"


class NetworkExists(libvirtError):
    """A network has that name already."""

    code, virdomain, prefix = 37, VIR_FROM_NETWORK, "this network exists already"


class NoNetwork(libvirtError):
    """No network has that name or UUID."""

    code, virdomain, prefix = 43, VIR_FROM_NETWORK, "Network not found"


class PortExists(libvirtError):
    """A port has that UUID. libvirt puts the text into the middle of its message: see ``already_port``."""

    code, virdomain = 106, VIR_FROM_NETWORK


def already_port(uuid: str) -> PortExists:
    """The error for a port that is there."""
    text = f"Network port with UUID {uuid} already exists"
    return PortExists(f"network port {text} exists already", info=text)


class NoPort(libvirtError):
    """No port has that UUID."""

    code, virdomain, prefix = 107, VIR_FROM_NETWORK, "network port not found"


class InvalidMac(libvirtError):
    """A text that is no MAC address, where a call takes one."""

    code, virdomain, prefix = 44, VIR_FROM_NETWORK, "invalid MAC address"


class NetworkXml(XmlError):
    """The XML of a network says what it may not, or not what it must."""

    virdomain = VIR_FROM_NETWORK


class NetworkXmlDetail(XmlDetail):
    """A value in it cannot be read; libvirt's message has no prefix."""

    virdomain, prefix = VIR_FROM_NETWORK, ""


class NetworkOperationUnsupported(OperationUnsupported):
    """libvirt cannot change that part of a network either."""

    virdomain = VIR_FROM_NETWORK


class NetworkUnsupported(ConfigUnsupported):
    """A wish that this host, or this kind of network, cannot meet."""

    virdomain = VIR_FROM_NETWORK


class NetworkNotSupported(NotSupported):
    """libvirt can, this driver cannot."""

    virdomain = VIR_FROM_NETWORK


class NetworkConflict(OperationFailed):
    """Another network has that name or UUID."""

    virdomain = VIR_FROM_NETWORK


class NetworkFailed(OperationFailed):
    """It was tried and did not work."""

    virdomain = VIR_FROM_NETWORK


class NetworkInvalid(OperationInvalid):
    """Not in this state of the network."""

    virdomain = VIR_FROM_NETWORK


class NetworkArgument(InvalidArgument):
    """A parameter of the call is not one that can be accepted."""

    virdomain = VIR_FROM_NETWORK


class NetworkSystemError(SystemError_):
    """The operating system said no; ``int1`` is the errno."""

    virdomain = VIR_FROM_NETWORK


class NetworkInternal(InternalError):
    """What libvirt gives code 1, such as a program that failed or a bridge that is taken."""

    virdomain = VIR_FROM_NETWORK


@contextmanager
def told(what: str) -> Iterator[None]:
    """What the kernel refuses, by netlink or a system call, as an error that says what was tried."""
    try:
        yield
    except NetlinkError as error:
        said = str(error.args[1] if len(error.args) > 1 else error)
        raise NetworkSystemError(f"{what}: {said}", int1=error.code) from error
    except OSError as error:
        raise NetworkSystemError(f"{what}: {error.strerror or error}", int1=error.errno or -1) from error
