"""Smart cards: one slot of a CCID controller, which is a USB device, each."""

from __future__ import annotations

from embervirt.drivers.qemu.addresses.places import Places, items, put
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import CcidAddress
from embervirt.drivers.xml import replace

TYPE = "ccid"


def assign(domain: Domain) -> Domain:
    """With a slot for each smart card, and the controllers."""
    places: Places = {}
    found = list(domain.devices.controllers)
    for item, card in items(domain.devices.present, "smartcards"):
        address = card.address if isinstance(card.address, CcidAddress) else CcidAddress(slot=item[1])
        places[item] = address
        if not any((other.type, other.index) == (TYPE, address.controller) for other in found):
            found.append(Controller(type=TYPE, index=address.controller))
    return put(replace(domain, devices=replace(domain.devices, controllers=tuple(found))), places)
