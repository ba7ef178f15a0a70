"""Files change hands for runs of guests, and back with the last run; a ledger outlives who did it."""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu.owners import Owners, Wanted
from guest.account import NOBODY, ONLY_ROOT, owner

pytestmark = ONLY_ROOT

FILES = ("a", "b", "c")
Step = tuple[str, int, set[str] | set[int]]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(1, 3), st.sets(st.sampled_from(FILES), min_size=1)),
        st.tuples(st.just("take"), st.integers(1, 3), st.sets(st.sampled_from(FILES))),
        st.tuples(st.just("die"), st.just(0), st.sets(st.integers(1, 3))),
    ),
    max_size=20,
)


class Open:
    """A fence that is."""

    def guard(self) -> AbstractContextManager[None]:
        """Lets everybody through."""
        return nullcontext()


FENCE = Open()


def made(folder: Path) -> dict[str, tuple[int, int]]:
    """Files with owners of their own: one is of who is to have them already."""
    owners = dict(zip(FILES, ((1234, 5), (0, 0), NOBODY), strict=True))
    for name, who in owners.items():
        (folder / name).touch()
        os.chown(folder / name, *who)
    return owners


def lend(owners: Owners, folder: Path, run: int, names: set[str]) -> None:
    """To user nobody, remembering whose they were."""
    wanted = [Wanted(str(folder / name), NOBODY) for name in sorted(names)]
    owners.give(run, wanted, remember=True, fence=FENCE)


@given(steps=STEPS)
def test_a_file_is_lent_exactly_while_a_run_uses_it(steps: list[Step]) -> None:
    """Whatever the order of runs, and of agents that die; the ledger is there only while one does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, uses = made(folder), {file: set[int]() for file in FILES}
        owners = Owners(folder / "ledger")
        for what, run, which in steps:
            names = {str(each) for each in which}
            if what == "give":
                lend(owners, folder, run, names)
                _note(uses, names, run, add=True)
            elif what == "take":
                owners.take_back(run, FENCE, {str(folder / file) for file in names} if names else None)
                _note(uses, names or set(FILES), run, add=False)
            else:
                owners = Owners(folder / "ledger")
                alive = {int(each) for each in which}
                owners.settle(alive, FENCE)
                uses = {file: runs & alive for file, runs in uses.items()}
            for file in FILES:
                assert owner(folder / file) == (NOBODY if uses[file] else before[file])
        lent = [file for file in FILES if uses[file] and before[file] != NOBODY]
        assert (folder / "ledger").exists() == bool(lent)


def _note(uses: dict[str, set[int]], names: set[str], run: int, *, add: bool) -> None:
    for name in names:
        uses[name] = uses[name] | {run} if add else uses[name] - {run}


def test_a_file_that_somebody_else_gave_away_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """As is another one that is there in its place."""
    made(tmp_path)
    owners = Owners(tmp_path / "ledger")
    lend(owners, tmp_path, 1, {"a", "b"})
    os.chown(tmp_path / "a", 7, 7)
    (tmp_path / "new").touch()
    os.chown(tmp_path / "new", *NOBODY)
    (tmp_path / "new").rename(tmp_path / "b")
    owners.take_back(1, FENCE)
    assert [owner(tmp_path / name) for name in "ab"] == [(7, 7), NOBODY]
    assert not (tmp_path / "ledger").exists()


def test_a_ledger_that_nobody_can_read_is_set_aside(tmp_path: Path) -> None:
    """What it said is lost, and kept for who looks into it; files are lent all the same."""
    made(tmp_path)
    (tmp_path / "ledger").write_text("[{]")
    owners = Owners(tmp_path / "ledger")
    lend(owners, tmp_path, 1, {"a"})
    assert (tmp_path / "ledger.unusable-1").read_text() == "[{]"
    owners.take_back(1, FENCE)
    assert owner(tmp_path / "a") == (1234, 5)


def test_a_missing_file_and_a_directory_are_passed_over(tmp_path: Path) -> None:
    """QEMU says what is wrong with them; nothing is noted."""
    (tmp_path / "directory").mkdir()
    owners = Owners(tmp_path / "ledger")
    wanted = [Wanted(str(tmp_path / name), NOBODY) for name in ("none", "directory")]
    owners.give(1, wanted, remember=True, fence=FENCE)
    assert owner(tmp_path / "directory") == (0, 0)
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("name", ["none/at/all", "made"])
def test_a_file_that_is_written_is_made_where_it_can_be(tmp_path: Path, name: str) -> None:
    """For who may make none there."""
    path = tmp_path / name
    owners = Owners(tmp_path / "ledger")
    owners.give(1, [Wanted(str(path), NOBODY, made=True)], remember=True, fence=FENCE)
    assert path.exists() == (name == "made")
    assert not path.exists() or (owner(path), path.stat().st_mode & 0o777) == (NOBODY, 0o600)
