"""``<rng>``: a source of entropy."""

from __future__ import annotations

from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource, Log, Protocol, char_type
from embervirt.drivers.qemu.model.device import VIRTIO, Device, VirtioDriver
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, content, integer
from embervirt.errors import ConfigUnsupported

_UNSIGNED = integer(0, 2**32 - 1)


class Rate(Element, tag="rate"):
    """At most ``bytes`` in ``period`` milliseconds."""

    bytes: int = attr("bytes", _UNSIGNED, default=0)
    period: int | None = attr("period", _UNSIGNED, default=None)


class RngBackend(Element, tag="backend"):
    """``random`` has a ``path``; ``egd``, a daemon that speaks its protocol, a character device's source."""

    model: str = attr("model", choice("random", "builtin", "egd", error=ConfigUnsupported))
    type: str | None = attr("type", char_type, default=None)
    path: str | None = content(Text(r"\S([^\n]*\S)?", "a path without blanks around it"), default=None)
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)

    @property
    def chardev(self) -> Chardev:
        """Of ``egd``."""
        return Chardev(type=self.type or "pty", sources=self.sources, protocol=self.protocol, log=self.log)


class Rng(Device, tag="rng"):
    """A source of entropy; ``random`` reads a file of the host (/dev/random), ``builtin`` asks its kernel."""

    model: str = attr("model", choice(*VIRTIO, error=ConfigUnsupported))
    rate: Rate | None = child(Rate, default=None)
    backend: RngBackend = child(RngBackend)
    driver: VirtioDriver | None = child(VirtioDriver, default=None)
