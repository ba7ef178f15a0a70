"""What all virtio devices have in common: the driver's name and the options of ``<driver>``."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.model.device import VirtioDriver


def driver(base: str, model: str | None = None) -> str:
    """QEMU's driver: ``virtio-blk-pci``, with the model's suffix ``-transitional``, ``-non-transitional``."""
    return f"{base}-pci{(model or '').removeprefix('virtio')}"


def options(given: VirtioDriver | None) -> dict[str, Any]:
    """Properties of the device that the XML asks for."""
    if given is None:
        return {}
    wanted = {
        "iommu_platform": given.iommu,
        "ats": given.ats,
        "packed": given.packed,
        "page-per-vq": given.page_per_vq,
    }
    return {name: value for name, value in wanted.items() if value is not None}
