"""One more device: completed and placed as if it had been defined, with every other left as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu import aliases
from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.model import Alias, Channel, Console, Controller, Device, Disk, Domain
from embervirt.drivers.qemu.plugging.kinds import check, field_of, with_list
from embervirt.drivers.qemu.postparse.devices import filled
from embervirt.drivers.qemu.postparse.disk import in_order
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError, OperationFailed, OperationInvalid

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MARK = Alias(name="plugged-now")
"""No device has this alias: it finds the new one among all."""

ONLY_ONE = {"watchdogs": "watchdog", "vsocks": "vsock"}
"""Kinds of which a domain has at most one."""


def attached(domain: Domain, device: Device, caps: Capabilities) -> Domain:
    """The definition with the device.

    Raises OperationInvalid, DomainOperationUnsupported, what ``validate`` does.
    """
    check(device, live=False, verb="attach")
    _refuse_another(domain, device)
    wide, fresh = _placed(domain, device, caps, live=False)
    _refuse_port(domain, fresh)
    disks = in_order(wide.devices.disks)
    done = replace(wide, devices=replace(wide.devices, disks=disks))
    validate(done, caps)
    return done


def plugged(live: Domain, device: Device, caps: Capabilities) -> tuple[Domain, list[Device]]:
    """The running guest with the device; and what is new there, in the order in which QEMU gets it.

    Raises what ``attached`` does, InternalError when there is no free place.
    """
    if isinstance(device, Controller):
        check(device, live=True, verb="attach")
        if _there(live, device):
            raise OperationFailed(f"target {device.type}:{device.index} already exists")
    wide, fresh = _placed(live, device, caps, live=True)
    check(fresh, live=True, verb="attach")
    _refuse_port(live, fresh)
    validate(wide, caps)
    done = aliases.named(wide)
    known = {each.id for each in live.devices.all}
    new = [each for each in done.devices.all if each.id and each.id not in known]
    if any(isinstance(each, Controller) and each.type == "pci" for each in new):
        raise InternalError("No more available PCI slots")
    return done, sorted(new, key=lambda each: not isinstance(each, Controller))


def _placed(domain: Domain, device: Device, caps: Capabilities, *, live: bool) -> tuple[Domain, Device]:
    """The domain with the device and the controllers it needs; the device at its place."""
    if isinstance(device, Console):
        check(device, live=live, verb="attach")  # one that mirrors a serial port is not added
    field = field_of(device)
    marked = replace(device, alias=MARK)
    wide = with_list(domain, field, (*domain.devices.lists[field], marked))
    wide = assign(replace(wide, devices=filled(wide, caps)), caps, live=live)
    found = next(each for each in wide.devices.lists[field] if each.alias == MARK)
    fresh = replace(found, alias=device.alias)
    have = {(each.type, each.index) for each in domain.devices.controllers}
    more = [each for each in wide.devices.controllers if (each.type, each.index) not in have]
    mine = tuple(fresh if each is found else each for each in more)
    grown = with_list(domain, "controllers", (*domain.devices.controllers, *mine))
    if field != "controllers":
        grown = with_list(grown, field, (*domain.devices.lists[field], fresh))
    return grown, fresh


def _refuse_another(domain: Domain, device: Device) -> None:
    if isinstance(device, Controller) and _there(domain, device):
        raise OperationInvalid(f"controller index='{device.index}' already exists")
    only = ONLY_ONE.get(field_of(device))
    if only and domain.devices.lists[field_of(device)]:
        raise OperationInvalid(f"domain already has a {only}")
    if isinstance(device, Disk) and any(disk.dev == device.dev for disk in domain.devices.disks):
        raise OperationInvalid(f"target {device.dev} already exists")


def _there(domain: Domain, controller: Controller) -> bool:
    return (controller.type, controller.index) in {(c.type, c.index) for c in domain.devices.controllers}


def _refuse_port(domain: Domain, device: Device) -> None:
    """A channel by its name, or what it forwards, and its other end."""
    if isinstance(device, Channel) and _port(device) in map(_port, domain.devices.channels):
        raise OperationInvalid("chardev already exists")


def _port(channel: Channel) -> tuple[object, ...]:
    target = channel.target
    where = target and (target.type, target.name, target.address, target.port)
    return (where, channel.type, channel.sources)
