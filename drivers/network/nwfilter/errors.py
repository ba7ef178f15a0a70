"""The leaves of the error tree for network filters; codes and words as libvirt 9 answers the same failure."""

from __future__ import annotations

from embervirt.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    XmlError,
    libvirtError,
)

VIR_FROM_NWFILTER = 33
"""``virErrorDomain`` of network filters."""


class InvalidFilter(libvirtError):
    """A handle that is none of a filter."""

    code, virdomain, prefix = 61, VIR_FROM_NWFILTER, "Invalid network filter"


class NoFilter(libvirtError):
    """No filter has that name or UUID."""

    code, virdomain, prefix = 62, VIR_FROM_NWFILTER, "Network filter not found"


class FilterXml(XmlError):
    """The XML of a filter says what it may not, or not what it must."""

    virdomain = VIR_FROM_NWFILTER


class FilterValue(InternalError):
    """A value in it that cannot be; libvirt's code for it is 1, though nobody has a bug."""

    virdomain = VIR_FROM_NWFILTER


class FilterArgument(InvalidArgument):
    """A chain that cannot be."""

    virdomain = VIR_FROM_NWFILTER


class FilterUnsupported(ConfigUnsupported):
    """A word that nobody knows, or a wish that bridges' nftables cannot meet."""

    virdomain = VIR_FROM_NWFILTER


class FilterConflict(OperationFailed):
    """Another filter has that name or UUID, or filters would include each other."""

    virdomain = VIR_FROM_NWFILTER


class FilterInUse(OperationInvalid):
    """A filter that an interface of a running guest has."""

    virdomain = VIR_FROM_NWFILTER
