"""Leases of images: which of them go together, and what becomes of those whose run is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.actors.fence import Fence
from embervirt.drivers.root.errors import ImageInUse
from embervirt.drivers.root.leases import Lease, Leases, image_at


def lease(
    run: int = 1, disk: str = "vda", *, image: str = "1:1", writes: bool = True, shares: bool = False
) -> Lease:
    """Of a guest that is called by its run."""
    return Lease(image, f"/{image}", run, f"guest{run}", disk, f"mark-{run}", writes, shares)


def yes(_: Lease) -> bool:
    """Every run goes on."""
    return True


def no(_: Lease) -> bool:
    """None does."""
    return False


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    """None yet; afterwards the file is as the next who reads it expects."""
    yield Leases(tmp_path / "leases.json")


USES = st.tuples(st.booleans(), st.booleans())


@given(USES, USES)
def test_two_go_together_as_qemus_locks_have_it(one: tuple[bool, bool], other: tuple[bool, bool]) -> None:
    """Whoever writes needs that all others share; the rule looks the same from both sides."""
    mine, yours = (lease(run, writes=use[0], shares=use[1]) for run, use in enumerate((one, other)))
    assert mine.hinders(yours) == yours.hinders(mine)
    assert mine.hinders(yours) == ((one[0] and not other[1]) or (other[0] and not one[1]))
    assert not mine.hinders(lease(5, image="2:2"))


def test_who_comes_second_is_told_who_was_first(leases: Leases) -> None:
    """All that was asked for is refused together, and nothing of it is held."""
    fence = Fence("test", 1)
    leases.take([lease(1)], yes, fence)
    with pytest.raises(
        ImageInUse, match=r"'/1:1' of disk 'vdb' is in use by domain 'guest1' \(its disk 'vda'"
    ):
        leases.take([lease(2, "vda", image="2:2"), lease(2, "vdb")], yes, fence)
    leases.take([lease(3, image="2:2")], yes, fence)


def test_a_run_that_is_gone_is_in_nobodys_way(leases: Leases, tmp_path: Path) -> None:
    """Its leases go when somebody is hindered by one."""
    fence = Fence("test", 1)
    leases.take([lease(1), lease(1, "vdb", image="2:2")], yes, fence)
    leases.take([lease(2)], no, fence)
    leases.take([lease(3, image="2:2")], yes, fence)
    leases.release(2, fence)
    leases.release(3, fence)
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_still_uses_stays(leases: Leases, tmp_path: Path) -> None:
    """A detached disk's is released by its path; those of a run that is known survive a settlement."""
    fence = Fence("test", 1)
    leases.take([lease(1), lease(1, "vdb", image="2:2"), lease(2, image="3:3")], yes, fence)
    leases.release(1, fence, {"/2:2"})
    leases.settle({1}, fence)
    again = Leases(tmp_path / "leases.json")
    with pytest.raises(ImageInUse, match="guest1"):
        again.take([lease(4)], yes, fence)
    again.take([lease(4, image="2:2"), lease(4, "vdb", image="3:3")], yes, fence)


def test_a_disk_is_not_in_its_own_way(leases: Leases) -> None:
    """The same medium again; another disk of the same guest is another use."""
    fence = Fence("test", 1)
    leases.take([lease(1)], yes, fence)
    leases.take([lease(1)], yes, fence)
    with pytest.raises(ImageInUse, match="its disk 'vda'"):
        leases.take([lease(1, "vdb")], yes, fence)


def test_an_image_is_what_it_is(leases: Leases, tmp_path: Path) -> None:
    """Links of both kinds lead to it; a copy is another."""
    image = tmp_path / "a"
    image.write_bytes(b"a")
    os.link(image, tmp_path / "hard")
    (tmp_path / "soft").symlink_to("hard")
    (tmp_path / "copy").write_bytes(b"a")
    found = [image_at(str(tmp_path / name)) for name in ("a", "hard", "soft", "copy")]
    assert (len(set(found[:3])), found[3] in found[:3]) == (1, False)
    leases.take([lease(1, image=found[0])], yes, Fence("test", 1))
    assert [each.guest for each in leases.of(str(tmp_path / "soft"), yes)] == ["guest1"]
    assert leases.of(str(tmp_path / "soft")) == []  # no process carries its mark
    assert leases.of(str(tmp_path / "copy"), yes) == []
    assert leases.of(str(tmp_path / "gone"), yes) == []


def test_a_damaged_file_is_set_aside(leases: Leases, tmp_path: Path) -> None:
    """Nobody holds anything then, but what QEMU itself has locked; the file is kept to be looked at."""
    (tmp_path / "leases.json").write_bytes(b"[{")
    leases.take([lease(1)], yes, Fence("test", 1))
    assert len(list(tmp_path.iterdir())) == 2
