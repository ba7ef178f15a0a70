"""Unix sockets work at every path, are private from the first moment, and leave no descriptor behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from counted import descriptors
from embervirt.drivers.root import sockets
from embervirt.drivers.root.sockets import ADDRESS_MAX

pytestmark = pytest.mark.filterwarnings("error")
"""A socket or process that is only collected as garbage is a leak."""


@pytest.fixture(params=["short", "just fits", "one too long", "very long"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A socket's path of each kind of length, counted in bytes."""
    room = {"just fits": ADDRESS_MAX, "one too long": ADDRESS_MAX + 1, "very long": 250}.get(request.param)
    directory = tmp_path
    if room is not None:
        name = "é" + "d" * (room - len(os.fsencode(tmp_path)) - len("/é/s") - 1)
        directory = tmp_path / name
        directory.mkdir(0o700)
        assert len(os.fsencode(directory / "s")) == room
    return directory / "s"


@pytest.fixture
def umask() -> Iterator[None]:
    """Puts the umask back."""
    was = os.umask(0o077)
    yield
    os.umask(was)


def test_two_ends_meet(path: Path) -> None:
    """What is connected at a path talks to what listens there, with no accept needed for the connection."""
    with sockets.listen(path) as listening, sockets.connect(path) as near:
        near.send(b"word")
        far, _ = listening.accept()
        with far:
            assert far.recv(10) == b"word"


def test_nothing_but_the_socket_stays_open(path: Path) -> None:
    """The way through the directory is closed again, also after a failure."""
    before = descriptors()
    sockets.listen(path).close()
    with pytest.raises(OSError, match="refused"):
        sockets.connect(path)
    with pytest.raises(OSError, match="in use"):
        sockets.listen(path)
    assert descriptors() <= before


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: None, mask: int) -> None:
    """The file is 0600 under any umask."""
    os.umask(mask)
    with sockets.listen(tmp_path / "s"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_the_file_is_never_more_open(tmp_path: Path, umask: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under umask 0 the file is 0600 before anything is done to it by its name."""
    seen: list[int] = []
    monkeypatch.setattr(os, "chmod", lambda path, mode: seen.append(Path(path).stat().st_mode & 0o777))
    os.umask(0)
    sockets.listen(tmp_path / "s").close()
    assert seen == [0o600]


def test_both_ends_close_on_exec_and_only_the_near_one_never_waits(tmp_path: Path) -> None:
    """Neither end is inherited; a full queue is an error at once."""
    with sockets.listen(tmp_path / "s", 0) as listening, sockets.connect(tmp_path / "s") as near:
        assert not listening.get_inheritable()
        assert not near.get_inheritable()
        with pytest.raises(BlockingIOError) as full:
            sockets.connect(tmp_path / "s")
        assert full.value.errno == errno.EAGAIN


def test_a_live_socket_is_never_taken_over(tmp_path: Path) -> None:
    """A second listener at the path fails, and the first one goes on."""
    with sockets.listen(tmp_path / "s") as first:
        with pytest.raises(OSError, match="in use"):
            sockets.listen(tmp_path / "s")
        with sockets.connect(tmp_path / "s") as near, first.accept()[0] as far:
            far.send(b"still here")
            assert near.recv(20) == b"still here"


def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    """A path without a socket says so."""
    with pytest.raises(FileNotFoundError):
        sockets.connect(tmp_path / "s")
