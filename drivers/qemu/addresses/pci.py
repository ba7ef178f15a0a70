"""PCI: a slot for each device, and the bridges and ports that make enough of them.

The first run finds how many buses there must be. If there are that many, it was all; else a second one
places the controllers of the new buses with all the rest. Given addresses come first, then the chipset's,
then controllers, then the classes in the order of ``WANTS``.

Guests are mostly of few shapes, so what was found for one is remembered: it depends on what is asked for
and on nothing else of a domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from embervirt.drivers.qemu.addresses import chipset
from embervirt.drivers.qemu.addresses.buses import PLUGS, Plug
from embervirt.drivers.qemu.addresses.places import Item, items, put
from embervirt.drivers.qemu.addresses.slots import Slots
from embervirt.drivers.qemu.addresses.wants import WANTS
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.qemu.model.controller import PCI_ROOTS
from embervirt.drivers.xml import replace

REMEMBERED = 128
"""Shapes of guests."""

Places = dict[Item, PciAddress]
Bus = tuple[int, str]
"""A controller's number and model."""


class Ask(NamedTuple):
    """What one device asks for. ``type``, ``model``, ``number``: of a controller; ``model``: of sound too."""

    item: Item
    plug: Plug
    type: str | None
    model: str | None
    number: int | None
    address: PciAddress | None

    @property
    def in_ich9_set(self) -> bool:
        """Whether it is one of the USB controllers that share a slot."""
        return self.type == "usb" and self.model in chipset.ICH9


class Layout(NamedTuple):
    """``buses``: those that must be added; the controllers of them come last in ``Devices``."""

    buses: tuple[Bus, ...]
    places: Mapping[Item, PciAddress]


def assign(domain: Domain, spare: bool = True) -> Domain:
    """With a slot for each device that wants one, and room if ``spare``. Raises XmlError, InternalError."""
    known = domain.devices.controllers
    buses = tuple((c.index or 0, c.model or "") for c in known if c.type == "pci")
    found = layout(domain.q35, buses, tuple(_asks(domain)), len(known), spare)
    if found.buses:
        grown = [Controller(type="pci", index=index, model=model) for index, model in found.buses]
        domain = replace(domain, devices=replace(domain.devices, controllers=(*known, *grown)))
    return _shared(put(domain, found.places))


def _asks(domain: Domain) -> Iterator[Ask]:
    """All that goes on PCI, in the order in which places are given out."""
    lists = domain.devices.present
    for item, controller in items(lists, "controllers"):
        if controller.type == "pci" and controller.model not in PCI_ROOTS:
            yield _ask(item, controller, controller.model)
    for name, want in WANTS.items():
        for item, device in items(lists, name) if name in lists else ():
            plug = PLUGS.get(want(device))  # type: ignore[arg-type]  # None wants no plug
            if plug is not None and (device.address is None or isinstance(device.address, PciAddress)):
                yield _ask(item, device, plug)


def _ask(item: Item, device: Any, plug: Plug) -> Ask:
    address = device.address if isinstance(device.address, PciAddress) else None
    if item[0] == "controllers":
        return Ask(item, plug, device.type, device.model, device.index, address)
    return Ask(item, plug, None, device.model if item[0] == "sounds" else None, None, address)


@lru_cache(REMEMBERED)
def layout(q35: bool, buses: tuple[Bus, ...], asks: tuple[Ask, ...], controllers: int, spare: bool) -> Layout:
    """A place for all that ``asks``; bridges first. ``controllers``: how many there are, of any type."""
    known = dict(buses)
    run = _Run(q35, asks, Slots(_models(q35, known)))
    if spare:
        run.spare(own_ports=max(known) > 0)
    else:
        run.place()
    added: list[Bus] = []
    while grown := [bus for bus in enumerate(run.slots.models) if bus[0] not in known]:
        # The new ones take slots too, and may want more of them.
        asks = _joined(asks, run.given, grown, controllers + len(added))
        known.update(grown)
        added += grown
        run = _Run(q35, asks, Slots(_models(q35, known)))
        run.place()
    return Layout(tuple(added), run.places)


def _models(q35: bool, known: Mapping[int, str]) -> list[str]:
    """Of each bus up to the highest that is named, the ones between made up."""
    between = "pcie-root-port" if q35 else "pci-bridge"
    return [known.get(index, between) for index in range(max(known) + 1)]


def _joined(asks: tuple[Ask, ...], given: Places, grown: list[Bus], controllers: int) -> tuple[Ask, ...]:
    """With what the controllers of new buses ask for behind other bridges; given places are kept."""
    kept = [ask._replace(address=given.get(ask.item, ask.address)) for ask in asks]
    bridges = sum(ask.type == "pci" for ask in kept)
    new = [
        Ask(("controllers", number), model, "pci", model, index, None)
        for number, (index, model) in enumerate(grown, controllers)
    ]
    return (*kept[:bridges], *new, *kept[bridges:])


class _Run:
    """One assignment: ``slots`` fill, ``places`` are the result."""

    def __init__(self, q35: bool, asks: tuple[Ask, ...], slots: Slots) -> None:
        self.q35, self.asks, self.slots = q35, asks, slots
        self.ich9: dict[int | None, list[Ask]] = {}
        for ask in asks:
            if ask.in_ich9_set:
                self.ich9.setdefault(ask.number, []).append(ask)
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
        for ask in self._homeless():
            self.places[ask.item] = self._place(ask)

    def _homeless(self) -> Iterator[Ask]:
        return (ask for ask in self.asks if ask.item not in self.places)

    def _place(self, ask: Ask) -> PciAddress:
        if not ask.in_ich9_set:
            return self.slots.next(ask.plug)
        function = chipset.ICH9[ask.model or ""]
        near = self._companion(ask)
        if near is None:
            return self.slots.next(ask.plug, function)
        return self.slots.take(PciAddress(bus=near.bus, slot=near.slot, function=function))

    def _companion(self, controller: Ask) -> PciAddress | None:
        """Where another controller of the same USB bus is."""
        homes = (self.places.get(ask.item) for ask in self.ich9[controller.number])
        return next((home for home in homes if home is not None), None)

    def _keep_given(self) -> None:
        for ask in self.asks:
            if ask.address is not None and not ask.address.is_empty:
                self.places[ask.item] = self.slots.keep(ask.address, ask.plug)

    def _built_in(self) -> None:
        """What the machine has takes its place, whether the XML names it or not."""
        for ask in self.asks:
            own = chipset.built_in(self.q35, ask.type, ask.model, ask.number)
            if own and ask.item not in self.places:
                self.places[ask.item] = self.slots.take(own)
        for place in chipset.RESERVED[self.q35]:
            self.slots.take(chipset.at(place))
        self._first_screen()
        if self.q35:
            self._ich9_usb()
            self._prefer("sounds", chipset.ICH9_SOUND)
            self._prefer("controllers", chipset.DMI_BRIDGE)

    def _first_screen(self) -> None:
        slot = chipset.VIDEO[self.q35]
        for ask in self._homeless():
            if ask.item == ("videos", 0):
                free, own = self.slots.free(0, slot), PciAddress(slot=slot)
                self.places[ask.item] = self.slots.take(own) if free else self.slots.next(ask.plug)
                return

    def _ich9_usb(self) -> None:
        """The first two sets of a q35; the others of a set follow the first UHCI controller."""
        for ask in self._homeless():
            if ask.in_ich9_set and ask.model == "ich9-uhci1":
                free = [slot for slot in chipset.ICH9_SLOTS if self.slots.free(0, slot)]
                if free:
                    own = PciAddress(slot=free[0], multifunction=True)
                    self.places[ask.item] = self.slots.take(own)

    def _prefer(self, name: str, slot: int) -> None:
        """The first ich9 sound card, the first DMI bridge: where hardware has them, if that is free."""
        for ask in self._homeless():
            meant = ask.item[0] == name and ask.model in ("ich9", "dmi-to-pci-bridge")
            if meant and self.slots.free(0, slot):
                self.places[ask.item] = self.slots.take(PciAddress(slot=slot))


def _shared(domain: Domain) -> Domain:
    """Function 0 of a slot with more functions says so, whoever put them there."""
    given = {
        (name, number): device.address
        for name, found in domain.devices.present.items()
        for number, device in enumerate(found)
        if isinstance(getattr(device, "address", None), PciAddress)
    }
    slots = {(address.bus, address.slot) for address in given.values() if address.function}
    heads = {item: address for item, address in given.items() if (address.bus, address.slot) in slots}
    return put(domain, {item: chipset.multifunction(address) for item, address in heads.items()})
