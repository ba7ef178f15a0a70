"""``<rng>``: a source of entropy."""

from __future__ import annotations

from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource, Log, Protocol, char_type
from embervirt.drivers.qemu.model.device import Device, VirtioDriver, virtio_model
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, content, integer
from embervirt.errors import ConfigUnsupported

_UNSIGNED = integer(0, 2**32 - 1)


class Rate(Element, tag="rate"):
    """At most ``bytes`` in ``period`` milliseconds."""

    bytes: int = attr("bytes", _UNSIGNED)
    period: int | None = attr("period", _UNSIGNED, default=None)


class RngBackend(Element, tag="backend"):
    """``random`` has a ``path``; ``egd``, a daemon that speaks its protocol, a character device's source."""

    model: str = attr("model", choice("random", "builtin", "egd", error=ConfigUnsupported))
    type: str | None = attr("type", char_type, default=None)
    path: str | None = content(Text("/[^\n]*", "an absolute path"), default=None)
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)

    @property
    def chardev(self) -> Chardev:
        """Of ``egd``."""
        return Chardev(type=self.type or "pty", sources=self.sources, protocol=self.protocol, log=self.log)


class Rng(Device, tag="rng"):
    """A source of entropy; ``random`` reads a file of the host (/dev/random), ``builtin`` asks its kernel."""

    model: str = attr("model", virtio_model)
    rate: Rate | None = child(Rate, default=None)
    backend: RngBackend = child(RngBackend)
    driver: VirtioDriver | None = child(VirtioDriver, default=None)
