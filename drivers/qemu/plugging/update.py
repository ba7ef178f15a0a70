"""A device that changes while it stays: another medium, the state of a link, a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.errors import DomainOperationUnsupported
from embervirt.drivers.qemu.model import Device, Disk, Domain
from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_source import FIELDS, InterfaceSource
from embervirt.drivers.qemu.nodes import highest, numbered, unnumbered
from embervirt.drivers.qemu.plugging.detach import match
from embervirt.drivers.qemu.plugging.kinds import field_of, tag_of, with_list
from embervirt.drivers.qemu.postparse import disk, graphics, interface
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

REMOVABLE = ("cdrom", "floppy")
CHANGEABLE = ("link", "bandwidth", "filterref", "vlan", "port", "forwards")
"""What can change of a network card that a guest has."""


@dataclass(frozen=True)
class Media:
    """Another medium in a drive: ``old`` comes out, ``new`` goes in (either can be an empty drive)."""

    old: Disk
    new: Disk


@dataclass(frozen=True)
class Recabled:
    """A network card whose cable is plugged, or not; whose limits, filter or forwarded ports are others."""

    old: Interface
    new: Interface


@dataclass(frozen=True)
class Password:
    """Another password of the screen, or another end of it."""

    screen: Graphics


@dataclass(frozen=True)
class Nothing:
    """It is so already."""


Update = Media | Recabled | Password | Nothing


def link_of(card: Interface) -> bool:
    """Whether its cable is plugged."""
    return card.link is None or card.link.state == "up"


def updated(domain: Domain, device: Device, caps: Capabilities, *, live: bool) -> tuple[Domain, Update]:
    """The domain with the device as it is now, and what QEMU has to be told.

    Raises NoDevice, DomainOperationUnsupported, ConfigUnsupported, what ``validate`` does.
    """
    if not isinstance(device, Disk | Interface | Graphics):
        when, error = ("live", ConfigUnsupported) if live else ("persistent", DomainOperationUnsupported)
        raise error(f"{when} update of device '{tag_of(device)}' is not supported")
    old = match(domain, device)
    new = _completed(device, old)
    if live and isinstance(new, Disk):
        (new,) = numbered((unnumbered(new),), highest(domain.devices.disks))
    told = _told(old, new) if live else Nothing()
    field = field_of(device)
    listed = tuple(new if each is old else each for each in domain.devices.lists[field])
    done = with_list(domain, field, listed)
    validate(done, caps)
    return done, told


def _completed(device: Device, old: Device) -> Device:
    """What the XML leaves out of alias and address stays as it was."""
    match device:
        case Disk():
            device = disk.complete(device)
        case Interface():
            device = interface.complete(replace(device, model=device.model or getattr(old, "model", None)))
            device = _as_plugged(device, old) if isinstance(old, Interface) else device
        case Graphics():
            device = graphics.complete(device)
    return replace(device, alias=device.alias or old.alias, address=device.address or old.address)


def _told(old: Device, new: Device) -> Update:
    match old, new:
        case Disk(), Disk():
            return _media(old, new)
        case Interface(), Interface():
            return _link(old, new)
        case Graphics(), Graphics():
            return _password(old, new)
    raise DomainOperationUnsupported(f"a {tag_of(old)} cannot become a {tag_of(new)}")


def _media(old: Disk, new: Disk) -> Update:
    drive = {"type": "file", "source": None, "driver": None, "backing": (), "encryption": None}
    _same(replace(old, **drive), replace(new, **drive), "disk", old.dev)  # type: ignore[arg-type]
    if unnumbered(old) == unnumbered(new):
        return Nothing()
    if old.device not in REMOVABLE:
        raise ConfigUnsupported("disk source can be changed only in removable drives")
    return Media(old, new)


def _link(old: Interface, new: Interface) -> Update:
    which = f"with MAC address {old.mac.address if old.mac else '(none)'}"
    bare: dict[str, Any] = {name: () if name == "forwards" else None for name in CHANGEABLE}
    _same(replace(old, **bare), replace(new, **bare), "network", which)
    if old.forwards != new.forwards and old.is_passt:
        raise DomainOperationUnsupported(f"cannot modify portForward of passt network device {which}")
    changed = link_of(old) != link_of(new) or any(getattr(old, n) != getattr(new, n) for n in CHANGEABLE[1:])
    return Recabled(old, new) if changed else Nothing()


def _as_plugged(new: Interface, old: Interface) -> Interface:
    """Where a run has plugged it in stays unsaid by who means the same network."""
    if old.type != new.type and not (new.type == "network" and old.source and old.source.network):
        return new
    named = {name for name in FIELDS.get(new.type, ()) if name not in ("ips", "routes")}
    given, known = new.source or InterfaceSource(), old.source or InterfaceSource()
    if any(getattr(given, name) != getattr(known, name) for name in named):
        return new
    target = new.target if new.target and new.target.dev else old.target
    return replace(new, type=old.type, source=old.source, target=target)


def _password(old: Graphics, new: Graphics) -> Update:
    bare = {"passwd": None, "passwd_valid_to": None, "connected": None}
    wanted = replace(new, **bare, port=old.port if new.autoport else new.port)  # type: ignore[arg-type]
    _same(replace(old, **bare), wanted, "graphics", "vnc")  # type: ignore[arg-type]
    return Password(new)


def _same(old: Device, new: Device, kind: str, which: str) -> None:
    """Raises DomainOperationUnsupported that names the first thing that cannot change."""
    for name, binding in old.__schema__.bindings.items():
        if getattr(old, name) != getattr(new, name):
            raise DomainOperationUnsupported(f"cannot modify {binding.name or name} of {kind} device {which}")
