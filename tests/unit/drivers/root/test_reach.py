"""Which directories a user can pass, and what is said of one that it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embervirt.config.accounts import Account
from embervirt.drivers.root import reach
from embervirt.errors import SystemError_
from guest.account import public_place


@pytest.fixture(autouse=True)
def only_modes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """No access control list allows more."""
    monkeypatch.setattr(reach, "_searches", lambda directory, account: False)


def account(uid: int, *groups: int) -> Account:
    """Somebody of that number."""
    return Account(uid, groups[0], groups, "emu")


@pytest.mark.parametrize(
    ("mode", "stranger", "member", "owner"),
    [(0o700, "0701", "0710", ""), (0o711, "", "", ""), (0o701, "", "0711", ""), (0o617, "", "", "0717")],
)
def test_the_bit_that_counts_is_of_who_comes(mode: int, stranger: str, member: str, owner: str) -> None:
    """The owner's, else the group's, else everybody's: never another that would allow more."""
    with public_place() as place:
        directory = place / "a"
        directory.mkdir()
        directory.chmod(mode)
        uid, gid = os.getuid(), directory.stat().st_gid
        strange, ours = account(uid + 7, gid + 7), account(uid + 7, gid + 7, gid)
        for who, would_do in ((strange, stranger), (ours, member), (account(uid, 7), owner)):
            if not would_do:
                reach.check(directory, who)
                continue
            words = f"'{directory}': its mode is {mode:04o}.*; {would_do} would do"
            with pytest.raises(SystemError_, match=words):
                reach.check(directory, who)


def test_a_way_is_opened_from_the_top_to_above_the_target(tmp_path: Path) -> None:
    """The target keeps its mode, and so does what is above the top; a wider mode stays."""
    target = tmp_path / "top/wide/a/target"
    target.mkdir(parents=True)
    for each in (target, *target.parents[:4]):
        each.chmod(0o700)
    (tmp_path / "top/wide").chmod(0o755)
    reach.open_way(tmp_path / "top", target, user=os.getuid() + 7)
    modes = [each.stat().st_mode & 0o777 for each in (tmp_path, *reversed(target.parents[:3]), target)]
    assert modes == [0o700, 0o711, 0o755, 0o711, 0o700]
