"""Small virtio devices: ``<rng>`` and ``<memballoon>``."""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.xml import Element, Text, attr, child, choice, content, integer, on_off
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


class Rng(Element, tag="rng", refuse=("driver",)):
    """A source of entropy; ``random`` reads a file of the host (/dev/random), ``builtin`` asks its kernel."""

    model: str = attr("model", choice("virtio", later=_VIRTIO))
    rate: Rate | None = child(Rate, default=None)
    backend: RngBackend = child(RngBackend)
    alias: Alias | None = child(Alias, default=None)
    address: Address | None = child(Address, default=None)


class BalloonStats(Element, tag="stats"):
    """How often the guest's memory statistics are fetched, in seconds."""

    period: int = attr("period", _UNSIGNED)


class Memballoon(Element, tag="memballoon", refuse=("driver",)):
    model: str = attr("model", choice("virtio", "none", later=("xen", *_VIRTIO)))
    autodeflate: bool | None = attr("autodeflate", on_off, default=None)
    free_page_reporting: bool | None = attr("freePageReporting", on_off, default=None)
    stats: BalloonStats | None = child(BalloonStats, default=None)
    alias: Alias | None = child(Alias, default=None)
    address: Address | None = child(Address, default=None)
