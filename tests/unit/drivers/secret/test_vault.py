"""Values at rest."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embervirt.drivers.secret.backend.keys import KeyCallable, KeyFile
from embervirt.drivers.secret.backend.vault import Vault
from embervirt.drivers.secret.errors import KeyUnavailable, VaultDamaged, WrongKey
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import SystemError_

ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
PLAIN = b"correct horse battery staple"
CALLS = ("open", "fchmod", "write", "fsync", "link", "rename", "unlink")


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    """A key outside the root."""
    return KeyFile(tmp_path / "key")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """etc/secrets."""
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


@pytest.fixture
def vault(etc: Path, key: KeyFile) -> Vault:
    """A vault with one value."""
    vault = Vault(etc, key)
    vault.put(ONE, SecretValue(PLAIN))
    return vault


def plain(vault: Vault, uuid: str = ONE) -> bytes | None:
    """A value in the open."""
    value = vault.get(uuid)
    return None if value is None else value.reveal()


def spellings(value: bytes) -> list[bytes]:
    """How a value might show in a file."""
    coded = base64.b64encode(value)
    return [
        value,
        coded[:-4],
        value.hex().encode(),
        repr(value)[2:-1].encode(),
        *(coded[i : i + 12] for i in (0, 4, 8)),
    ]


def test_a_value_is_read_back_by_the_next_process(vault: Vault, etc: Path, key: KeyFile) -> None:
    """Durable, and private whatever it is."""
    assert plain(vault) == PLAIN
    assert plain(Vault(etc, key)) == PLAIN
    assert plain(Vault(etc, key), TWO) is None
    assert {path.stat().st_mode & 0o777 for path in etc.iterdir()} == {0o600}


def test_no_file_has_the_value_or_the_data_key_in_the_open(vault: Vault, etc: Path) -> None:
    """In no usual spelling; the same value twice does not look the same."""
    vault.put(TWO, SecretValue(PLAIN))
    contents = [path.read_bytes() for path in etc.iterdir()]
    assert not any(spelling in content for content in contents for spelling in spellings(PLAIN))
    assert not any(vault._unwrapped(create=False) in content for content in contents)
    assert (etc / f"{ONE}.value").read_bytes()[30:] != (etc / f"{TWO}.value").read_bytes()[30:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_value(etc: Path, key: KeyFile, value: bytes) -> None:
    """Empty ones, NUL, what looks like our own header."""
    vault = Vault(etc, key)
    for content in (value, b"embervirt secret value 1\n" + value):
        vault.put(ONE, SecretValue(content))
        assert plain(Vault(etc, key)) == content


def test_a_removed_value_is_gone(vault: Vault, etc: Path) -> None:
    """Removal is idempotent."""
    vault.remove(ONE)
    vault.remove(ONE)
    assert plain(vault) is None
    assert [path.name for path in etc.iterdir()] == ["data.key"]


def test_the_wrong_key_is_named_as_such(vault: Vault, etc: Path) -> None:
    """Reading, writing and the check say so; nothing is changed, and the right key still opens."""
    other = Vault(etc, KeyCallable(lambda: b"z" * 32))
    before = {path.name: path.read_bytes() for path in etc.iterdir()}
    uses: list[Callable[[], object]] = [
        other.check,
        lambda: other.get(ONE),
        lambda: other.put(TWO, SecretValue(b"x")),
    ]
    for use in uses:
        with pytest.raises(WrongKey, match=r"key does not open '.*data\.key'"):
            use()
    assert {path.name: path.read_bytes() for path in etc.iterdir()} == before
    assert plain(vault) == PLAIN


def test_a_missing_key_is_not_replaced_by_a_new_one(vault: Vault, etc: Path, key: KeyFile) -> None:
    """The values wait for the right one."""
    key.path.rename(key.path.with_suffix(".aside"))
    with pytest.raises(KeyUnavailable):
        Vault(etc, key).get(ONE)
    with pytest.raises(KeyUnavailable):
        Vault(etc, key).put(TWO, SecretValue(b"x"))
    key.path.with_suffix(".aside").rename(key.path)
    assert plain(Vault(etc, key)) == PLAIN


def test_a_value_belongs_to_its_secret(vault: Vault, etc: Path) -> None:
    """A file that is copied to another's name does not open."""
    (etc / f"{TWO}.value").write_bytes((etc / f"{ONE}.value").read_bytes())
    with pytest.raises(VaultDamaged, match=f"{TWO}.value' is damaged, or belongs to another"):
        vault.get(TWO)


@pytest.mark.parametrize("name", ["data.key", f"{ONE}.value"])
def test_any_flipped_bit_or_cut_is_noticed(vault: Vault, etc: Path, key: KeyFile, name: str) -> None:
    """Never a wrong value: a typed error that names the file."""
    good = (etc / name).read_bytes()
    good = good if name.endswith(".value") else good.rstrip(b"\n")
    damaged = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    damaged += [good[:at] for at in range(0, len(good), 7)] + [b"", b"garbage", os.urandom(100)]
    for content in damaged:
        (etc / name).write_bytes(content)
        with pytest.raises(VaultDamaged, match=name):
            Vault(etc, key).get(ONE)
    (etc / name).write_bytes(good)
    assert plain(Vault(etc, key)) == PLAIN


def test_a_later_format_is_refused_by_number(vault: Vault, etc: Path, key: KeyFile) -> None:
    """Not taken for damage."""
    content = msgspec.json.decode((etc / "data.key").read_bytes())
    (etc / "data.key").write_bytes(msgspec.json.encode({**content, "format": 2}))
    with pytest.raises(VaultDamaged, match="has format 2: this version reads 1"):
        Vault(etc, key).get(ONE)


def test_a_lost_data_key_is_not_replaced(vault: Vault, etc: Path, key: KeyFile) -> None:
    """With a new one the old values would be lost for good."""
    (etc / "data.key").rename(etc / "aside")
    with pytest.raises(VaultDamaged, match=f"is missing, but there are values it protected, like {ONE}"):
        Vault(etc, key).put(TWO, SecretValue(b"x"))


# Another key.


def test_another_key_takes_over_without_touching_the_values(vault: Vault, etc: Path, key: KeyFile) -> None:
    """From then on only that one opens."""
    value = (etc / f"{ONE}.value").read_bytes()
    new = KeyFile(etc.parent / "new")
    vault.rewrap(new)
    assert (etc / f"{ONE}.value").read_bytes() == value
    assert plain(vault) == plain(Vault(etc, new)) == PLAIN
    with pytest.raises(WrongKey):
        Vault(etc, key).get(ONE)


def test_another_key_before_the_first_value(etc: Path, key: KeyFile) -> None:
    """The root starts with it."""
    vault = Vault(etc, key)
    vault.rewrap(KeyCallable(lambda: b"z" * 32))
    vault.put(ONE, SecretValue(PLAIN))
    assert plain(Vault(etc, KeyCallable(lambda: b"z" * 32))) == PLAIN


def test_a_key_that_cannot_be_had_changes_nothing(vault: Vault, etc: Path, key: KeyFile) -> None:
    """The present one still opens."""
    with pytest.raises(KeyUnavailable):
        vault.rewrap(KeyCallable(lambda: b"short"))
    assert plain(Vault(etc, key)) == PLAIN
    with pytest.raises(WrongKey):
        Vault(etc, KeyCallable(lambda: b"z" * 32)).rewrap(KeyCallable(lambda: b"y" * 32))
    assert plain(Vault(etc, key)) == PLAIN


# Failures and crashes at every system call.


def at_call(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> list[str]:
    """Count calls of CALLS; do ``act`` before call ``number``."""
    seen: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            if len(seen) - 1 == number:
                act()
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        patch.setattr(os, name, wrap(name, getattr(os, name)))
    return seen


def count(work: Callable[[], object]) -> int:
    """How many calls ``work`` makes."""
    with pytest.MonkeyPatch.context() as patch:
        seen = at_call(patch, -1, lambda: None)
        work()
    return len(seen)


def no_space() -> None:
    """The disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def crash_at(number: int, work: Callable[[], object]) -> None:
    """Do ``work`` in a child that dies before its call ``number``."""
    pid = os.fork()
    if pid == 0:
        with pytest.MonkeyPatch.context() as patch:
            at_call(patch, number, lambda: os._exit(0))
            work()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_full_disk_leaves_the_old_value(vault: Vault, etc: Path, key: KeyFile) -> None:
    """At every system call of a write: the old value or the new one, and an error or none."""
    for number in range(count(lambda: vault.put(ONE, SecretValue(PLAIN)))):
        with pytest.MonkeyPatch.context() as patch:
            seen = at_call(patch, number, no_space)
            try:
                vault.put(ONE, SecretValue(b"new"))
            except SystemError_ as error:
                assert error.get_int1() == errno.ENOSPC
            else:
                assert seen[number] == "unlink"
                vault.put(ONE, SecretValue(PLAIN))
        assert plain(Vault(etc, key)) == PLAIN, seen[number]


def libvirts(etc: Path, value: bytes = PLAIN) -> Path:
    """A value as libvirt keeps it."""
    path = etc / f"{ONE}.base64"
    path.write_bytes(base64.b64encode(value))
    return path


def test_libvirts_value_is_taken_over(etc: Path, key: KeyFile) -> None:
    """Read once, encrypted, and its file is gone."""
    path = libvirts(etc)
    assert list(Vault(etc, key).uuids()) == [ONE]
    assert plain(Vault(etc, key)) == PLAIN
    assert not path.exists()
    assert plain(Vault(etc, key)) == PLAIN
    path.write_bytes(base64.b64encode(b"later") + b"\n")
    assert plain(Vault(etc, key)) == b"later"


def test_an_upgrade_survives_a_crash_at_any_step(etc: Path, key: KeyFile) -> None:
    """The value is always there, and the next start finishes."""
    libvirts(etc)
    steps = count(lambda: Vault(etc, key).upgrade(ONE))
    for number in range(steps):
        for path in [*etc.iterdir(), key.path]:
            path.unlink(missing_ok=True)
        libvirts(etc)
        crash_at(number, lambda: Vault(etc, key).upgrade(ONE))
        assert plain(Vault(etc, key)) == PLAIN, number
        assert not (etc / f"{ONE}.base64").exists()


def test_a_change_of_key_survives_a_crash_at_any_step(vault: Vault, etc: Path, key: KeyFile) -> None:
    """One of the two keys opens, never none."""
    new = KeyFile(etc.parent / "new")
    new.key(create=True)
    seen = set()
    for number in range(count(lambda: Vault(etc, key).rewrap(new))):
        Vault(etc, new).rewrap(key)
        crash_at(number, lambda: Vault(etc, key).rewrap(new))
        try:
            assert plain(Vault(etc, key)) == PLAIN
            seen.add("old")
        except WrongKey:
            assert plain(Vault(etc, new)) == PLAIN
            seen.add("new")
            continue
        Vault(etc, key).rewrap(new)
    assert seen == {"old", "new"}


def test_a_value_of_libvirts_that_is_no_base64_stays(etc: Path, key: KeyFile) -> None:
    """The error names the file, which can be inspected."""
    path = etc / f"{ONE}.base64"
    path.write_bytes(b"!!!")
    with pytest.raises(VaultDamaged, match=f"{ONE}.base64' is not base64"):
        Vault(etc, key).get(ONE)
    assert path.read_bytes() == b"!!!"


def test_a_new_value_leaves_nothing_of_libvirts(etc: Path, key: KeyFile) -> None:
    """Setting and removing clear both files."""
    libvirts(etc)
    Vault(etc, key).put(ONE, SecretValue(b"new"))
    assert plain(Vault(etc, key)) == b"new"
    libvirts(etc)
    Vault(etc, key).remove(ONE)
    assert plain(Vault(etc, key)) is None
