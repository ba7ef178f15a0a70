"""When a pool takes which request."""

from __future__ import annotations

import pytest

from embervirt.drivers.images import Image
from embervirt.drivers.storage.errors import StorageInternal, StorageInvalid
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.service.changing import new_capacity
from embervirt.drivers.storage.states import ACTIVE, ALONE, INACTIVE, WANTS, check
from embervirt.drivers.storage.tables import PoolRow, Space, VolumeRow
from embervirt.errors import libvirtError

POOL = Pool(type="dir", name="p", uuid="u")


@pytest.mark.parametrize("request_", sorted(WANTS))
@pytest.mark.parametrize("active", [True, False])
def test_the_table_says_what_is_refused(request_: str, active: bool) -> None:
    """In the wrong state always, in the right one never."""
    row = PoolRow("u", "p", POOL, POOL, active)
    if WANTS[request_] == (INACTIVE if active else ACTIVE):
        with pytest.raises(StorageInvalid, match=r"storage pool 'p' is (not|still|already) active"):
            check(row, request_)
    else:
        check(row, request_)
    assert request_ in WANTS


@pytest.mark.parametrize("request_", ALONE)
def test_some_wait_for_no_job(request_: str) -> None:
    """They are refused while one is under way."""
    row = PoolRow("u", "p", POOL, POOL, WANTS[request_] == ACTIVE)
    with pytest.raises(StorageInternal, match="asynchronous jobs running"):
        check(row, request_, jobs=1)


VOLUME = VolumeRow("v", "/p/v", 0, 100, 50, 100, Image("raw"), (0, 0, 0, 0, 0, 0), 0o600, 0, 0, 0)


@pytest.mark.parametrize(
    ("capacity", "flags", "expected"),
    [
        (200, 0, 200), (100, 0, 100), (100, 2, 200), (30, 2 | 4, 70), (500, 2 | 4, 0), (60, 4, 60),
        (10, 4, 10), (60, 0, "unless shrink flag"), (10, 0, "below existing allocation"),
        (2000, 1, "900 bytes are missing"),
    ],
)  # fmt: skip
def test_a_new_capacity_is_what_flags_make_of_it(capacity: int, flags: int, expected: int | str) -> None:
    """DELTA (2) adds, with SHRINK (4) takes away; ALLOCATE (1) needs the room; with libvirt's words."""
    space = Space(2000, 1000, 1000)
    if isinstance(expected, str):
        with pytest.raises(libvirtError, match=expected):
            new_capacity(VOLUME, capacity, flags, space)
    else:
        assert new_capacity(VOLUME, capacity, flags, space) == expected
