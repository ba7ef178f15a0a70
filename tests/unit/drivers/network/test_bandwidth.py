"""Bandwidth by libvirt's names of parameters instead of XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.service.bandwidth import changed, parameters
from embervirt.errors import libvirtError

VALUES = st.fixed_dictionaries(
    {"inbound.average": st.integers(1, 2**31)},
    optional={
        name: st.integers(0, 2**31)
        for name in ("inbound.peak", "inbound.burst", "outbound.average", "outbound.peak", "outbound.burst")
    },
)


@given(VALUES)
def test_what_is_set_is_what_is_read(values: dict[str, int]) -> None:
    """A direction without an average has no limit; all of one that has is told."""
    found = parameters(changed("", values))
    kept = {name: value for name, value in values.items() if values.get(f"{name.partition('.')[0]}.average")}
    assert {name: found[name] for name in kept} == kept
    assert all(value == 0 for name, value in found.items() if name not in kept)


def test_a_change_leaves_what_it_does_not_name() -> None:
    """And an average of 0 takes a direction away."""
    before = changed("", {"inbound.average": 5, "outbound.average": 7, "outbound.burst": 9})
    after = changed(before, {"outbound.average": 8})
    assert parameters(after)["outbound.burst"] == 9 and parameters(after)["inbound.average"] == 5
    assert "inbound" not in changed(after, {"inbound.average": 0})
    assert changed(after, {"inbound.average": 0, "outbound.average": 0}) == ""


def test_a_guarantee_is_refused() -> None:
    """For nobody keeps it; so does a port that is plugged."""
    assert changed("", {"inbound.average": 5, "inbound.floor": 0})
    with pytest.raises(NetworkUnsupported, match="no bandwidth is guaranteed"):
        changed("", {"inbound.average": 5, "inbound.floor": 1})


@pytest.mark.parametrize("values", [{"inbound": 1}, {"inbound.average": -1}, {"outbound.floor": 1}])
def test_other_names_and_numbers_are_refused(values: dict[str, int]) -> None:
    """By name."""
    with pytest.raises(libvirtError, match=next(iter(values))):
        changed("", values)
