"""Kinds of device: by the tag of their XML, and which of them can come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embervirt.drivers.qemu.errors import DomainOperationUnsupported
from embervirt.drivers.qemu.model import Console, Device, Devices, Disk, Domain, Interface
from embervirt.drivers.qemu.postparse import interface
from embervirt.drivers.qemu.postparse.volumes import unresolved
from embervirt.drivers.xml import parse_one_of, replace
from embervirt.drivers.xml.bindings import Children
from embervirt.errors import OperationInvalid, errors_of

VIR_FROM_DOMAIN = 20

_LISTS = {
    binding.cls: (name, binding.name)
    for name, binding in Devices.__schema__.bindings.items()
    if isinstance(binding, Children) and issubclass(binding.cls, Device)
}
CLASSES: dict[str, type[Device]] = {tag: cls for cls, (_, tag) in _LISTS.items() if issubclass(cls, Device)}
"""The class of a device by its tag."""

FIXED = ("memballoons", "graphics", "hubs", "tpms", "panics")
"""Kinds that are there from the beginning to the end, also in a definition."""

COLD = ("sounds", "videos", "vsocks", "parallels", *FIXED)
"""Kinds that a running guest cannot get or lose."""


def read(xml: str) -> Device:
    """A device from its own XML. Raises XmlError, XmlDetail, ConfigUnsupported."""
    with errors_of(VIR_FROM_DOMAIN):
        device = parse_one_of(CLASSES, xml, "device")
    match device:
        case Disk():
            return unresolved(device)
        case Interface():
            return interface.definition(device)
    return device


def field_of(device: Device) -> str:
    """The field of ``Devices`` that has such devices."""
    return _LISTS[type(device)][0]


def tag_of(device: Device) -> str:
    """``disk``."""
    return _LISTS[type(device)][1]


def check(device: Device, *, live: bool, verb: str) -> None:
    """Raises DomainOperationUnsupported for what cannot come and go. ``verb``: attach, detach."""
    if isinstance(device, Console) and not device.virtio:
        error = DomainOperationUnsupported if verb == "attach" else OperationInvalid
        raise error(f"{verb}ing serial console is not supported")
    if field_of(device) in (COLD if live else FIXED):
        when = "live" if live else "persistent"
        raise DomainOperationUnsupported(f"{when} {verb} of device '{tag_of(device)}' is not supported")
    refuse = LIVE_RULES.get(field_of(device)) if live else None
    if refuse is not None:
        refuse(device, {"attach": "hot plugged", "detach": "hot unplugged"}[verb])


def _disk(device: Any, done: str) -> None:
    if done == "hot plugged":
        if device.device == "floppy":
            raise DomainOperationUnsupported("floppy device hotplug isn't supported")
    elif device.bus is None:
        return  # as the XML says it; the one that is meant has one
    elif device.device == "floppy" or (device.device == "cdrom" and device.bus not in ("usb", "scsi")):
        raise DomainOperationUnsupported(f"disk device type '{device.device}' cannot be detached")
    elif device.bus not in ("virtio", "usb", "scsi"):
        raise DomainOperationUnsupported("This type of disk cannot be hot unplugged")


def _controller(device: Any, done: str) -> None:
    if device.type not in ("scsi", "virtio-serial"):
        raise DomainOperationUnsupported(f"'{device.type}' controller cannot be {done}.")


def _input(device: Any, done: str) -> None:
    if device.bus not in ("usb", "virtio"):
        raise DomainOperationUnsupported(f"input device on bus '{device.bus or 'ps2'}' cannot be {done}.")


def _watchdog(device: Any, done: str) -> None:
    if device.model != "i6300esb":
        raise DomainOperationUnsupported(f"watchdog of model {device.model} cannot be {done}")


LIVE_RULES: dict[str, Callable[[Any, str], None]] = {
    "disks": _disk,
    "controllers": _controller,
    "inputs": _input,
    "watchdogs": _watchdog,
}
"""Of a kind that can be plugged, which devices cannot."""


def with_list(domain: Domain, field: str, devices: tuple[Device, ...]) -> Domain:
    """The domain with other devices of one kind."""
    lists: dict[str, Any] = {field: devices}
    return replace(domain, devices=replace(domain.devices, **lists))
