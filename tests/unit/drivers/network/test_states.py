"""When a network takes which request, and which of its two sides a change is of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from embervirt.drivers.network import filters, states
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.service.networks import new_row
from embervirt.drivers.network.tables import NetworkRow
from embervirt.errors import OperationInvalid

NETWORK = read_network("<network><name>n</name></network>")
DEFINED = new_row(NETWORK, defined=True)
ACTIVE = replace(DEFINED, active=True)
TRANSIENT = replace(new_row(NETWORK, defined=False), active=True)


@pytest.mark.parametrize(
    ("row", "flags", "sides"),
    [
        (DEFINED, 0, (False, True)),
        (ACTIVE, 0, (True, False)),
        (ACTIVE, 3, (True, True)),
        (DEFINED, 2, (False, True)),
        (TRANSIENT, 1, (True, False)),
    ],
)
def test_a_change_is_of_the_sides_that_the_flags_say(
    row: NetworkRow, flags: int, sides: tuple[bool, bool]
) -> None:
    """Without flags of the active network, else of the definition."""
    assert states.impact(row, flags) == sides


@pytest.mark.parametrize(
    ("row", "flags", "says"), [(DEFINED, 1, "network is not running"), (TRANSIENT, 3, "transient network")]
)
def test_a_side_that_is_not_there_cannot_change(row: NetworkRow, flags: int, says: str) -> None:
    """In libvirt's words."""
    with pytest.raises(OperationInvalid, match=says):
        states.impact(row, flags)


def test_of_each_pair_of_flags_any_that_is_set_is_enough() -> None:
    """And a pair without flags asks nothing."""
    assert filters.select([DEFINED, TRANSIENT], 0) == [DEFINED, TRANSIENT]
    assert filters.select([DEFINED, TRANSIENT], filters.ACTIVE | filters.INACTIVE) == [DEFINED, TRANSIENT]
    assert filters.select([DEFINED, TRANSIENT], filters.ACTIVE | filters.PERSISTENT) == []
