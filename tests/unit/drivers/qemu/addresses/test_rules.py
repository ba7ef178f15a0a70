"""What holds of addresses whatever the devices are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from embervirt.drivers.qemu.addresses import assign, pci
from embervirt.drivers.qemu.addresses.wants import USB_ORDER, WANTS
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Devices, Domain
from embervirt.drivers.qemu.model.address import Address, DriveAddress, PciAddress
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError
from unit.drivers.qemu.addresses.sets import DeviceSet, answer, card, random_set

seeds = st.integers(0, 2**32)
LATER = {"filesystems", "shmems", "iommus", "redirdevs"}
"""Lists that the table knows and the model does not have yet."""


def defined(each: DeviceSet, caps: Capabilities) -> Domain:
    """As the driver defines it; a set that has no room is no example."""
    try:
        domain = assign(postparse(parse(Domain, each.xml), caps), caps)
        validate(domain, caps)
    except libvirtError:
        assume(False)
    return domain


def places(domain: Domain) -> list[tuple[str | None, Address]]:
    """Every device's place, with the disk bus for places on disk controllers."""
    found = []
    for device in domain.devices.all:
        if device in domain.devices.consoles or device.address is None:
            continue
        bus = getattr(device, "bus", None) if isinstance(device.address, DriveAddress) else None
        found.append((bus, _alone(device.address)))
    return found


def _alone(address: Address) -> Address:
    return replace(address, multifunction=None) if isinstance(address, PciAddress) else address


@given(seed=seeds)
def test_no_two_devices_share_a_place(seed: int, caps: Capabilities) -> None:
    """Nothing is where something else is, on any kind of bus."""
    counts = Counter(places(defined(random_set(seed), caps)))
    assert [place for place, count in counts.items() if count > 1] == []


@given(seed=seeds)
def test_a_place_is_given_once(seed: int, caps: Capabilities) -> None:
    """Assigning again changes nothing."""
    domain = defined(random_set(seed), caps)
    assert assign(domain, caps) == domain


@given(seed=seeds)
def test_what_is_stored_is_what_was_assigned(seed: int, caps: Capabilities) -> None:
    """A definition that is written, read and completed again has its devices where they were."""
    domain = defined(random_set(seed), caps)
    again = assign(postparse(parse(Domain, render(domain), strict=True), caps), caps)
    assert sorted(answer(render(again))) == sorted(answer(render(domain)))


@given(seed=seeds)
def test_one_more_device_moves_nobody(seed: int, caps: Capabilities) -> None:
    """A card that is added to a stored definition leaves every other device at its place."""
    domain = defined(random_set(seed), caps)
    new = parse(Domain, DeviceSet("pc", card()).xml).devices.interfaces
    more = replace(domain, devices=replace(domain.devices, interfaces=(*domain.devices.interfaces, *new)))
    try:
        placed = assign(more, caps)
    except libvirtError:
        assume(False)
    assert Counter(places(domain)) - Counter(places(placed)) == Counter()
    assert placed.devices.interfaces[-1].address is not None


def test_the_last_slot_is_for_a_plugged_device(caps: Capabilities) -> None:
    """A definition keeps a slot for a bridge, a running guest gives it away instead of growing a bridge."""
    full, one_more = (parse(Domain, DeviceSet("pc", card() * count).xml) for count in (28, 29))
    domain = assign(postparse(full, caps), caps)
    more = replace(domain.devices, interfaces=(*domain.devices.interfaces, *one_more.devices.interfaces[-1:]))
    bridges = [
        sum(
            each.type == "pci"
            for each in assign(replace(domain, devices=more), caps, live=live).devices.controllers
        )
        for live in (False, True)
    ]
    assert bridges == [2, 1]


def test_each_class_of_device_has_a_line_in_the_table() -> None:
    """The lists of the table are lists of the model, but for those named here."""
    lists = set(Devices().lists)
    assert set(WANTS) - lists == LATER
    assert set(USB_ORDER) <= set(WANTS)


@given(seed=seeds)
def test_what_is_remembered_is_what_is_found_anew(seed: int, caps: Capabilities) -> None:
    """Whatever guests came before: the same devices get the same places, and the same controllers."""
    each = random_set(seed)
    pci.layout.cache_clear()
    anew = render(defined(each, caps))
    before = pci.layout.cache_info().hits
    domain = postparse(parse(Domain, each.xml), caps)
    again = assign(domain, caps)
    assert pci.layout.cache_info().hits > before
    assert answer(render(again)) == answer(anew)
    assert pci.layout.cache_info().maxsize == pci.REMEMBERED
