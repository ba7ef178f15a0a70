"""Where a root's key comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import disk
from embervirt.drivers.secret.backend.keys import KeyCallable, KeyFile, key_source
from embervirt.drivers.secret.errors import KeyUnavailable
from embervirt.errors import InvalidArgument
from guest.domain import uri

KEY = bytes(range(32))


def refusal(source: KeyFile | KeyCallable, *, create: bool = False) -> str:
    """What it says when it has no key; never the key itself."""
    with pytest.raises(KeyUnavailable) as caught:
        source.key(create=create)
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (9, 30)
    assert repr(KEY)[2:20] not in str(caught.value)
    return caught.value.detail


def key_file(path: Path, mode: int = 0o600, content: bytes = KEY) -> KeyFile:
    """A file of that mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return KeyFile(path)


def test_a_missing_key_file_is_made_once(tmp_path: Path) -> None:
    """32 random bytes, 0600 whatever the umask, with its directory; afterwards it is read."""
    source = KeyFile(tmp_path / "keys/k")
    before = os.umask(0o777)
    try:
        key = source.key(create=True)
    finally:
        os.umask(before)
    assert len(key) == 32
    assert (source.path.stat().st_mode & 0o777, source.path.read_bytes()) == (0o600, key)
    assert source.key(create=True) == source.key(create=False) == key
    assert KeyFile(tmp_path / "other").key(create=True) != key


def test_a_key_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    """A new key would open nothing; the message says what is lost without the old one."""
    said = refusal(KeyFile(tmp_path / "k"))
    assert f"'{tmp_path}/k' cannot be read: No such file" in said
    assert "without it the values" in said
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_a_key(tmp_path: Path, mode: int) -> None:
    """Whatever its owner may do; a link to one, as orchestrators mount them, too."""
    key_file(tmp_path / "k", mode)
    (tmp_path / "link").symlink_to(tmp_path / "k")
    assert KeyFile(tmp_path / "link").key(create=False) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o606, 0o620, 0o610, 0o666])
def test_a_file_others_can_read_is_no_key(tmp_path: Path, mode: int) -> None:
    """Mode and what is expected are named."""
    assert refusal(key_file(tmp_path / "k", mode)).endswith(f"has mode {mode:04o}: expected 0600 or 0400")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_only_roots_group_may_read_a_key(tmp_path: Path) -> None:
    """A credential that systemd lends by ACL shows as 0440 of root; a stranger's file is never a key."""
    source = key_file(tmp_path / "k", 0o440)
    assert source.key(create=False) == KEY
    os.chown(source.path, 0, 12345)
    source.path.chmod(0o440)
    assert "mode 0440" in refusal(source)
    os.chown(source.path, 12345, 0)
    assert "belongs to user 12345" in refusal(source)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 1000])
def test_a_key_has_exactly_32_bytes(tmp_path: Path, size: int) -> None:
    """From a file and from a callable."""
    assert refusal(key_file(tmp_path / "k", content=b"x" * size)).endswith(f"has {size} bytes: expected 32")
    assert f"gave {size} bytes: expected 32" in refusal(KeyCallable(lambda: b"x" * size))


def test_what_is_no_file_is_no_key(tmp_path: Path) -> None:
    """A FIFO nobody writes to does not block."""
    os.mkfifo(tmp_path / "k")
    assert "not a regular file" in refusal(KeyFile(tmp_path / "k"))
    assert "cannot be read" in refusal(KeyFile(tmp_path / "none/k"))


def _raise() -> bytes:
    raise ZeroDivisionError("with details")


@pytest.mark.parametrize(
    ("provider", "says"),
    [(_raise, "raised ZeroDivisionError"), (lambda: "x" * 32, "a str"), (lambda: None, "a NoneType")],
)
def test_a_provider_that_fails_is_a_typed_error(provider: Callable[[], Any], says: str) -> None:
    """Whatever the host program's function does; its exception is the cause."""
    source = KeyCallable(provider)
    assert says in refusal(source)


def test_users_give_a_path_or_a_callable(tmp_path: Path) -> None:
    """Both become a source."""
    assert key_source(str(tmp_path / "k")) == KeyFile(tmp_path / "k")
    assert key_source(lambda: KEY).key(create=False) == KEY


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    """By an open and by a change of the key; the driver lives on with the key that it had."""
    for other in (5, b"/k", 2.5, object()):
        with pytest.raises(InvalidArgument, match=f"a callable .*, not {type(other).__name__}"):
            key_source(other)  # type: ignore[arg-type]
    with libvirt.open(uri(tmp_path / "root", "secret")) as conn:
        secret = conn.secretDefineXML("<secret/>")
        secret.setValue(b"value")
        for path in (None, "", "relative", "/a\0b", "/\ud800"):
            with pytest.raises(InvalidArgument):
                conn.secretRewrap(path)
        with pytest.raises(KeyUnavailable, match="cannot be read: File name too long"):
            conn.secretRewrap("/" + "x" * 300)
        assert secret.value() == b"value"
        drivers = next(node for node in conn.root.tree().children if node.id == "drivers")
        assert [node.generation for node in drivers.children] == [1]


def test_a_key_that_is_made_meanwhile_stays(tmp_path: Path) -> None:
    """By another root, or a generation that came while this one waited for its disk: it protects values."""
    path, sync = tmp_path / "new", disk.sync
    made: list[bytes] = []

    def late(file: disk.File) -> None:
        if not made:
            made.append(b"")
            made[0] = KeyFile(path).key(create=True)
        sync(file)

    with disk.substituted(sync=late):
        found = KeyFile(path).key(create=True)
    assert [found, path.read_bytes()] == made * 2
    assert list(tmp_path.iterdir()) == [path]
