"""As whom QEMU runs: names and numbers as libvirt reads them, and what a command line gets for it."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from embervirt.config import accounts
from embervirt.config.accounts import Account, chosen
from embervirt.config.load import load
from embervirt.errors import SettingsError


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is root's, whoever runs the test; ``emu`` is 107:108 and has another group."""
    users = {"emu": (107, 108), "root": (0, 0), "42": (4, 5)}
    groups = {"emus": 108, "root": 0}
    entries = {name: pwd.struct_passwd((name, "x", *ids, "", "/", "/")) for name, ids in users.items()}
    numbers = {entry.pw_uid: entry for entry in entries.values()}
    found = {name: grp.struct_group((name, "x", gid, [])) for name, gid in groups.items()}
    monkeypatch.setattr(pwd, "getpwnam", entries.__getitem__)
    monkeypatch.setattr(pwd, "getpwuid", numbers.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", found.__getitem__)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 36] if name == "emu" else [gid])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getegid", lambda: 0)


@pytest.mark.parametrize(
    ("user", "group", "expected"),
    [
        ("emu", None, Account(107, 108, (108, 36), "emu")),
        ("emu", "root", Account(107, 0, (0, 36), "emu")),
        ("+107", None, Account(107, 108, (108, 36), "emu")),
        ("42", None, Account(4, 5, (5,), "42")),
        ("+42", "+7", Account(42, 7, (7,), "+42")),
        ("43", "emus", Account(43, 108, (108,), "+43")),
        (None, "emus", Account(0, 108, (108,), "root")),
        (None, None, None),
        ("root", "root", None),
        ("+0", None, None),
    ],
)
def test_a_name_goes_before_a_number(user: str | None, group: str | None, expected: Account | None) -> None:
    """As in libvirt; '+' says that it is a number. Who would be the program's own user is nobody else."""
    assert chosen(user, group) == expected


def test_a_program_that_is_not_root_keeps_its_own_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is said, even of a user that nobody knows, as with libvirt's session driver."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert chosen("nobody knows", None) is None


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("emo", None, "qemu.conf:1: user = 'emo' is not accepted: expected the name of a user of this host"),
        ("emu", "emos", "qemu.conf:2: group = 'emos' is not accepted: expected the name of a group"),
        ("+12", None, "user = '+12' is a number of nobody's on this host: expected a group beside it"),
        ("-1", None, "user = '-1' is not accepted"),
        ("+4294967295", "root", "or a number such as [+]107"),
        ("+", "root", "user = '[+]' is not accepted"),
    ],
)
def test_a_user_that_nobody_knows_is_an_error_of_the_file(
    tmp_path: Path, user: str, group: str | None, words: str
) -> None:
    """With its line, and what would be accepted."""
    (tmp_path / "etc").mkdir()
    lines = [f'user = "{user}"', *([f'group = "{group}"'] if group else [])]
    (tmp_path / "etc/qemu.conf").write_text("\n".join(lines))
    with pytest.raises(SettingsError, match=words.replace("+12'", "[+]12'")):
        load(tmp_path)


def test_rights_are_given_up_before_anything_runs() -> None:
    """User, groups, and every capability, for good."""
    assert Account(107, 108, (108, 36), "emu").prefix == [
        *("/usr/bin/setpriv", "--reuid=107", "--regid=108", "--groups=108,36"),
        *("--inh-caps=-all", "--bounding-set=-all", "--"),
    ]


def test_a_label_names_user_and_group() -> None:
    """As a domain's XML has it; one that does not is an error that quotes it."""
    assert (accounts.owner("emu:emus"), accounts.owner("+1:+2")) == ((107, 108), (1, 2))
    with pytest.raises(SettingsError, match="seclabel 'emu:': group = ''"):
        accounts.owner("emu:")
