"""The same hardware at the same places as libvirt 9: its recorded answers, held without it."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError
from unit.drivers.qemu.addresses.sets import SEEDS, TABLE, DeviceSet, answer, golden, random_set, refusal

ROWS = golden()


def placed(each: DeviceSet, caps: Capabilities) -> list[str]:
    """Our answer for a set."""
    try:
        domain = assign(postparse(parse(Domain, each.xml), caps), caps)
        validate(domain, caps)
    except libvirtError as error:
        return refusal(error.get_error_code() or 0)
    return answer(render(domain))


@pytest.mark.parametrize("number", range(len(TABLE)), ids=lambda number: f"{TABLE[number].machine}-{number}")
def test_telling_sets_are_placed_as_libvirt_places_them(number: int, caps: Capabilities) -> None:
    """Every device is where libvirt 9 has it, with the controllers it adds, or refused with its code."""
    each, said = ROWS[number]
    assert placed(each, caps) == said, each.devices


def test_random_sets_are_placed_as_libvirt_places_them(caps: Capabilities) -> None:
    """So are sets that nobody thought of."""
    for each, said in ROWS[len(TABLE) :]:
        assert placed(each, caps) == said, f"{each.machine}: {each.devices}"


def test_the_golden_file_has_the_sets_that_are_asked_for() -> None:
    """A set that was changed or added needs libvirt's answer: the integration test fetches it."""
    assert [each for each, _ in ROWS] == [*TABLE, *map(random_set, SEEDS)]
