"""``Device``: what every device of a guest has, and what those on PCI or of virtio have besides."""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import ADDRESSES, LATER, Address, Alias
from embervirt.drivers.xml import Element, attr, child, choice, integer, on_off, variant, yes_no
from embervirt.errors import ConfigUnsupported, InternalError


class AcpiIndex(Element, tag="acpi"):
    """By which the guest's ACPI names a PCI device: a card of number 3 is ``eno3``. None says nothing."""

    index: int | None = attr("index", integer(1, 2**32 - 1), default=None)


class Device(Element, tag="device"):
    """``address`` is None until one is assigned, and stays None for what has no place (``none``, ``ps2``)."""

    alias: Alias | None = child(Alias, default=None)
    acpi: AcpiIndex | None = child(AcpiIndex, default=None)
    address: Address | None = variant(
        ADDRESSES, default=None, later=LATER, error=ConfigUnsupported, missing=InternalError
    )

    @property
    def id(self) -> str:
        """QEMU's id of the device; empty only before ``aliases.named``."""
        return self.alias.name if self.alias else ""


class Boot(Element, tag="boot"):
    """``order`` counts from 1; ``load_parm`` is for other machines. Exclusive with ``<os><boot>``."""

    order: int = attr("order", integer(1, 2**31 - 1))
    loadparm: str | None = attr("loadparm", default=None)


class Rom(Element, tag="rom"):
    """The option ROM: whether the guest sees it, and what it is."""

    enabled: bool | None = attr("enabled", yes_no, default=None)
    bar: bool | None = attr("bar", on_off, default=None)
    file: str | None = attr("file", default=None)


class VirtioDriver(Element, tag="driver"):
    """What ``<driver>`` says of any virtio device."""

    iommu: bool | None = attr("iommu", on_off, default=None)
    ats: bool | None = attr("ats", on_off, default=None)
    packed: bool | None = attr("packed", on_off, default=None)
    page_per_vq: bool | None = attr("page_per_vq", on_off, default=None)


VIRTIO = ("virtio", "virtio-transitional", "virtio-non-transitional")
"""Models of a virtio device: as the slot makes it, with legacy support, without."""

virtio_model = choice(*VIRTIO)
