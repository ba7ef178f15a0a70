"""What each class of device asks for: the one table that says what kind of place a device takes.

A line is a list of ``Devices`` and a function from a device of it to a ``Want``, or None for what has no
address. The lines stand in libvirt's order of assignment on PCI. Source: libvirt 9.0 asked with one device
of each model on a q35.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any


class Want(Enum):
    """A kind of place. On a pc, which has no PCI Express, ``PCIE`` and ``INTEGRATED`` are ``PCI``."""

    PCI = "a conventional PCI slot"
    PCIE = "a PCI Express slot"
    INTEGRATED = "a slot on pcie.0 itself"
    USB = "a USB port"

    __hash__ = object.__hash__  # each is one object; Enum's own asks for the name


CONVENTIONAL_CARDS = ("rtl8139", "e1000", "vmxnet3", "virtio-transitional")
"""Network cards for a conventional slot; every other model is taken for PCI Express."""

USB_MODELS = {
    **dict.fromkeys(("piix3-uhci", "piix4-uhci", "ehci", "vt82c686b-uhci", "pci-ohci"), Want.PCI),
    **dict.fromkeys(("ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3"), Want.PCI),
    **dict.fromkeys(("nec-xhci", "qemu-xhci"), Want.PCIE),
}
SOUNDS = {"usb": Want.USB, **dict.fromkeys(("ich6", "ich9", "ac97", "es1370"), Want.PCI)}
INPUT_BUSES = {"usb": Want.USB, "virtio": Want.PCIE}
SERIALS = {"pci-serial": Want.PCI, "usb-serial": Want.USB}
IOMMUS = {"virtio": Want.INTEGRATED}
NO_PLACE = ("none", "ramfb")
"""Screens and memory balloons that are no device on a bus."""


def virtio(model: str | None) -> Want:
    """Of a virtio device: only the transitional one, with its legacy I/O ports, is conventional."""
    return Want.PCI if model == "virtio-transitional" else Want.PCIE


def _interface(card: Any) -> Want:
    """QEMU's card of USB too: libvirt 9 finds no place for that one."""
    model = card.model.type if card.model else "rtl8139"
    if model == "usb-net":
        return Want.USB
    return Want.PCI if model in CONVENTIONAL_CARDS else Want.PCIE


def _controller(controller: Any) -> Want | None:
    """Of those that are no PCI bridge."""
    model = controller.model
    match controller.type:
        case "usb":
            return USB_MODELS.get(model or "piix3-uhci")
        case "virtio-serial":
            return virtio(model)
        case "scsi" if model == "ibmvscsi":
            return None
        case "scsi":
            return virtio(model) if (model or "").startswith("virtio") else Want.PCI
        case "ide" | "sata":
            return Want.PCI
        case "ccid":
            return Want.USB
    return None


def _disk(disk: Any) -> Want | None:
    if disk.bus == "virtio":
        return virtio(getattr(disk, "model", None))
    return Want.USB if disk.bus == "usb" else None


def _input(device: Any) -> Want | None:
    if device.bus == "virtio":
        return virtio(device.model)
    return INPUT_BUSES.get(device.bus or "")


def _video(video: Any) -> Want | None:
    if video.model.type in NO_PLACE:
        return None
    return Want.PCIE if video.model.type == "virtio" else Want.PCI


WANTS: dict[str, Callable[[Any], Want | None]] = {
    "filesystems": lambda item: virtio(item.model),
    "interfaces": _interface,
    "sounds": lambda item: SOUNDS.get(item.model),
    "controllers": _controller,
    "disks": _disk,
    "memballoons": lambda item: None if item.model in NO_PLACE else virtio(item.model),
    "rngs": lambda item: virtio(item.model),
    "watchdogs": lambda item: Want.PCI if item.model == "i6300esb" else None,
    "videos": _video,
    "shmems": lambda item: Want.PCI,
    "inputs": _input,
    "serials": lambda item: SERIALS.get((item.target.type if item.target else None) or ""),
    "iommus": lambda item: IOMMUS.get(item.model),
    "vsocks": lambda item: virtio(item.model),
    "hubs": lambda item: Want.USB,
    "redirdevs": lambda item: Want.USB,
}
"""By the name of the list in ``Devices``, in the order in which slots are given out; lists that the model
does not have are passed over."""

USB_ORDER = ("hubs", "disks", "controllers", "inputs", "serials", "sounds", "redirdevs", "interfaces")
"""In what order ports are given out."""


def want(name: str, device: Any) -> Want | None:
    """What a device of the list ``name`` asks for."""
    row = WANTS.get(name)
    return row(device) if row else None
