"""Which pools the flags of virConnectListAllStoragePools ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.storage.filters import ALL, KIND_BITS, PAIRS, matches, select
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.tables import PoolRow


def row(name: str = "p", *, kind: str = "dir", active: bool = False, defined: bool = True) -> PoolRow:
    """A pool."""
    pool = Pool(type=kind, name=name, uuid=name)
    return PoolRow(name, name, pool, pool if defined else None, active)


@given(st.booleans(), st.booleans(), st.sampled_from(sorted(KIND_BITS)), st.integers(0, ALL))
def test_each_group_asks_for_itself(active: bool, defined: bool, kind: str, flags: int) -> None:
    """A pool matches when each group of flags has none set, or one that fits."""
    one = row(kind=kind, active=active, defined=defined)
    groups = [flags & (yes | no) for yes, no, _ in PAIRS]
    fitting = [yes if has(one) else no for yes, no, has in PAIRS]
    kinds = flags & sum(KIND_BITS.values())
    expected = all(not group or group & fits for group, fits in zip(groups, fitting, strict=True))
    assert matches(one, flags) == (expected and (not kinds or bool(kinds & KIND_BITS[kind])))


def test_pools_are_listed_by_name() -> None:
    """Whatever order they were defined in."""
    assert [each.name for each in select([row("b"), row("a"), row("c")], 0)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "bit"), [("dir", 64), ("logical", 512), ("rbd", 16384), ("iscsi-direct", 524288)]
)
def test_kinds_have_libvirts_bits(kind: str, bit: int) -> None:
    """VIR_CONNECT_LIST_STORAGE_POOLS_*."""
    assert KIND_BITS[kind] == bit
