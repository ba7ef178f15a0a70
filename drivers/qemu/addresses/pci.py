"""PCI: a slot for each device, and the bridges and ports that make enough of them.

The first run finds how many buses there must be. If there are that many, it was all; else a second one
places the controllers of the new buses with all the rest. Given addresses come first, then the chipset's,
then controllers, then the classes in the order of ``WANTS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from embervirt.drivers.qemu.addresses import chipset
from embervirt.drivers.qemu.addresses.buses import PLUGS, ROOTS, Plug
from embervirt.drivers.qemu.addresses.places import Item, Places, items, put
from embervirt.drivers.qemu.addresses.slots import Slots
from embervirt.drivers.qemu.addresses.wants import WANTS, want
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.xml import replace


def assign(domain: Domain, spare: bool = True) -> Domain:
    """With a slot for each device that wants one, and room if ``spare``. Raises XmlError, InternalError."""
    models = _models(domain)
    dry = _Run(domain, Slots(list(models)))
    if spare:
        dry.spare(own_ports=len(models) > 1)
    else:
        dry.place()
    grown = _grown(domain, dry.slots.models)
    if not grown:
        return _shared(put(domain, dry.places))
    given = dry.given
    while grown:
        devices = replace(domain.devices, controllers=(*domain.devices.controllers, *grown))
        domain = put(replace(domain, devices=devices), given)
        run = _Run(domain, Slots(_models(domain)))
        run.place()
        # The new ones take slots too, and may want more of them.
        given, grown = run.given, _grown(domain, run.slots.models)
    return _shared(put(domain, run.places))


def _grown(domain: Domain, models: list[str]) -> list[Controller]:
    """The controllers of buses that have none yet."""
    known = {c.index for c in domain.devices.controllers if c.type == "pci"}
    return [
        Controller(type="pci", index=index, model=model)
        for index, model in enumerate(models)
        if index not in known
    ]


def _models(domain: Domain) -> list[str]:
    """Of each bus up to the highest that is named, the ones between made up."""
    named = {c.index or 0: c.model or "" for c in domain.devices.controllers if c.type == "pci"}
    between = "pcie-root-port" if domain.q35 else "pci-bridge"
    return [named.get(index, between) for index in range(max(named) + 1)]


@dataclass(frozen=True)
class _Wish:
    item: Item
    device: Any
    plug: Plug


def _wishes(domain: Domain) -> Iterator[_Wish]:
    """All that goes on PCI, in the order in which places are given out."""
    lists = domain.devices.lists
    for item, controller in items(lists, "controllers"):
        if controller.type == "pci" and controller.model not in ROOTS:
            yield _Wish(item, controller, controller.model)
    for name in WANTS:
        for item, device in items(lists, name):
            plug = PLUGS.get(want(name, device))  # type: ignore[arg-type]  # None wants no plug
            if plug is not None and (device.address is None or isinstance(device.address, PciAddress)):
                yield _Wish(item, device, plug)


class _Run:
    """One assignment: ``slots`` fill, ``places`` are the result."""

    def __init__(self, domain: Domain, slots: Slots) -> None:
        self.domain, self.slots = domain, slots
        self.wishes = list(_wishes(domain))
        self.ich9: dict[int | None, list[_Wish]] = {}
        for wish in self.wishes:
            if _in_ich9_set(wish.device):
                self.ich9.setdefault(wish.device.index, []).append(wish)
        self.places: Places = {}
        self._keep_given()
        self.given = dict(self.places)
        self._built_in()

    def spare(self, own_ports: bool) -> None:
        """Place all, and leave room: on a pc for a bridge, on a q35 without ports of its own for a device."""
        room = not self.slots.pcie and not self.slots.full
        self.place()
        if room:
            self.slots.next("pci")
        if self.slots.pcie and not own_ports and len(self.slots.models) > 1:
            self.slots.next("pcie")

    def place(self) -> None:
        """The devices that have no place yet."""
        for wish in self._homeless():
            self.places[wish.item] = self._place(wish)

    def _homeless(self) -> Iterator[_Wish]:
        return (wish for wish in self.wishes if wish.item not in self.places)

    def _place(self, wish: _Wish) -> PciAddress:
        if not _in_ich9_set(wish.device):
            return self.slots.next(wish.plug)
        function = chipset.ICH9[wish.device.model]
        near = self._companion(wish.device)
        if near is None:
            return self.slots.next(wish.plug, function)
        return self.slots.take(PciAddress(bus=near.bus, slot=near.slot, function=function))

    def _companion(self, controller: Controller) -> PciAddress | None:
        """Where another controller of the same USB bus is."""
        for wish in self.ich9[controller.index]:
            if wish.item in self.places:
                return self.places[wish.item]  # type: ignore[return-value]  # all are PCI here
        return None

    def _keep_given(self) -> None:
        for wish in self.wishes:
            address = wish.device.address
            if isinstance(address, PciAddress) and not address.is_empty:
                self.places[wish.item] = self.slots.keep(address, wish.plug)

    def _built_in(self) -> None:
        """What the machine has takes its place, whether the XML names it or not."""
        for wish in self.wishes:
            own = isinstance(wish.device, Controller) and chipset.built_in(wish.device, self.domain)
            if own and wish.item not in self.places:
                self.places[wish.item] = self.slots.take(own)
        for place in chipset.RESERVED[self.domain.q35]:
            self.slots.take(chipset.at(place))
        self._first_screen()
        if self.domain.q35:
            self._ich9_usb()
            self._prefer("sounds", chipset.ICH9_SOUND)
            self._prefer("controllers", chipset.DMI_BRIDGE)

    def _first_screen(self) -> None:
        slot = chipset.VIDEO[self.domain.q35]
        for wish in self._homeless():
            if wish.item == ("videos", 0):
                free, own = self.slots.free(0, slot), PciAddress(slot=slot)
                self.places[wish.item] = self.slots.take(own) if free else self.slots.next(wish.plug)
                return

    def _ich9_usb(self) -> None:
        """The first two sets of a q35; the others of a set follow the first UHCI controller."""
        for wish in self._homeless():
            if _in_ich9_set(wish.device) and wish.device.model == "ich9-uhci1":
                free = [slot for slot in chipset.ICH9_SLOTS if self.slots.free(0, slot)]
                if free and self._companion(wish.device) is None:
                    self.places[wish.item] = self.slots.take(PciAddress(slot=free[0]))

    def _prefer(self, name: str, slot: int) -> None:
        """The first ich9 sound card, the first DMI bridge: where hardware has them, if that is free."""
        for wish in self._homeless():
            meant = wish.item[0] == name and wish.device.model in ("ich9", "dmi-to-pci-bridge")
            if meant and self.slots.free(0, slot):
                self.places[wish.item] = self.slots.take(PciAddress(slot=slot))


def _in_ich9_set(device: Any) -> bool:
    return isinstance(device, Controller) and device.type == "usb" and device.model in chipset.ICH9


def _shared(domain: Domain) -> Domain:
    """Function 0 of a slot with more functions says so, whoever put them there."""
    given = {
        (name, number): device.address
        for name, found in domain.devices.lists.items()
        for number, device in enumerate(found)
        if isinstance(getattr(device, "address", None), PciAddress)
    }
    slots = {(address.bus, address.slot) for address in given.values() if address.function}
    heads = {item: address for item, address in given.items() if (address.bus, address.slot) in slots}
    return put(domain, {item: chipset.multifunction(address) for item, address in heads.items()})
