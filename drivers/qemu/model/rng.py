"""``<rng>``: a source of entropy."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, Text, attr, child, choice, content, integer
from embervirt.errors import ConfigUnsupported

_VIRTIO = ("virtio-transitional", "virtio-non-transitional")
_UNSIGNED = integer(0, 2**32 - 1)


class Rate(Element, tag="rate"):
    """At most ``bytes`` in ``period`` milliseconds."""

    bytes: int = attr("bytes", _UNSIGNED)
    period: int | None = attr("period", _UNSIGNED, default=None)


class RngBackend(Element, tag="backend", refuse=("@type", "source")):
    model: str = attr("model", choice("random", "builtin", error=ConfigUnsupported, later=("egd",)))
    path: str | None = content(Text("/[^\n]*", "an absolute path"), default=None)


class Rng(Device, tag="rng", refuse=("driver",)):
    """A source of entropy; ``random`` reads a file of the host (/dev/random), ``builtin`` asks its kernel."""

    model: str = attr("model", choice("virtio", later=_VIRTIO))
    rate: Rate | None = child(Rate, default=None)
    backend: RngBackend = child(RngBackend)
