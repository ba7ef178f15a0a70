"""One device less: which of a domain's an XML means, by what the kind is known by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from embervirt.drivers.qemu.errors import NoDevice
from embervirt.drivers.qemu.model import Controller, Device, Disk, Domain
from embervirt.drivers.qemu.model.address import DriveAddress, VirtioSerialAddress
from embervirt.drivers.qemu.plugging.kinds import check, field_of, tag_of, with_list
from embervirt.errors import InternalError, OperationFailed


def detached(domain: Domain, device: Device) -> Domain:
    """The definition without it. Raises NoDevice, DomainOperationUnsupported."""
    check(device, live=False, verb="detach")
    return without(domain, match(domain, device))


def unplugged(live: Domain, device: Device) -> Device:
    """The running guest's device that is meant. Raises the same, and for what has to stay."""
    check(device, live=True, verb="detach")
    found = match(live, device)
    check(found, live=True, verb="detach")
    if isinstance(found, Controller) and any(each == found.index for each in _used(live, found.type)):
        raise OperationFailed("device cannot be detached: device is busy")
    return found


def _used(domain: Domain, type_: str) -> Iterator[int]:
    """Numbers of the controllers of that type that something is on."""
    for each in domain.devices.all:
        match each.address:
            case DriveAddress(controller=number) if isinstance(each, Disk) and each.bus == type_:
                yield number
            case VirtioSerialAddress(controller=number) if type_ == "virtio-serial":
                yield number


def by_alias(domain: Domain, alias: str) -> Device:
    """Raises InternalError, as libvirt, when nothing has that alias."""
    found = next((each for each in domain.devices.all if alias and each.id == alias), None)
    if found is None:
        raise InternalError(f"no device found with alias {alias}")
    return found


def without(domain: Domain, device: Device) -> Domain:
    """The domain without this device of its own."""
    field = field_of(device)
    kept = tuple(each for each in domain.devices.lists[field] if each is not device)
    return with_list(domain, field, kept)


def match(domain: Domain, device: Device) -> Device:
    """By its alias if that is given, else by what its kind is known by. Raises NoDevice, OperationFailed."""
    listed: tuple[Device, ...] = domain.devices.lists[field_of(device)]
    known_by = KNOWN_BY.get(field_of(device), _whole)
    found = [each for each in listed if known_by(device, each) and device.id in ("", each.id)]
    if not found:
        raise NoDevice(f"{_words(device)} not found in domain '{domain.name}'")
    if len(found) > 1 and field_of(device) == "interfaces":
        raise OperationFailed(f"multiple devices matching {_words(device)} found")
    return found[0]


def _words(device: Device) -> str:
    details = {
        "disks": lambda each: f"disk {each.dev}",
        "interfaces": lambda each: f"interface with MAC address {each.mac.address if each.mac else '(none)'}",
        "controllers": lambda each: f"controller {each.type}:{each.index}",
    }
    words: Callable[[Any], str] = details.get(field_of(device), lambda each: f"device '{tag_of(device)}'")
    return words(device)


def _disk(wanted: Any, other: Any) -> bool:
    return bool(wanted.dev == other.dev)


def _interface(wanted: Any, other: Any) -> bool:
    mac = wanted.mac is None or wanted.mac.address == other.mac.address
    return mac and wanted.address in (None, other.address)


def _controller(wanted: Any, other: Any) -> bool:
    return wanted.type == other.type and wanted.index in (None, other.index)


def _whole(wanted: Any, other: Any) -> bool:
    """Whatever the XML says is so; what it does not say does not count."""
    bindings = wanted.__schema__.bindings
    pairs = [(getattr(wanted, name), getattr(other, name, None)) for name in bindings if name != "alias"]
    return all(mine in (None, (), False) or _agrees(mine, yours) for mine, yours in pairs)


def _agrees(mine: Any, yours: Any) -> bool:
    if type(mine) is type(yours) and hasattr(mine, "__schema__"):
        return _whole(mine, yours)
    return bool(mine == yours)


def _type(wanted: Any, other: Any) -> bool:
    return bool(wanted.type == other.type)


KNOWN_BY: dict[str, Callable[[Any, Any], bool]] = {
    "graphics": _type,
    "disks": _disk,
    "interfaces": _interface,
    "controllers": _controller,
}
"""What a kind is known by; others by all that the XML says."""
