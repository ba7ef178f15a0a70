"""systemd's watchdog is fed while the program lives and every root is watched, and not otherwise."""

from __future__ import annotations

import ctypes
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from embervirt.runtime import systemd

ALIVE = b"WATCHDOG=1"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(20)
        yield made


def asked(manager: socket.socket, seconds: float) -> dict[str, str]:
    """What a service with that ``WatchdogSec`` finds in its environment."""
    return {"NOTIFY_SOCKET": str(manager.getsockname()), "WATCHDOG_USEC": str(int(seconds * 1e6))}


def roots(monkeypatch: pytest.MonkeyPatch, *ages: float) -> None:
    """Open roots whose watch looked so long ago."""
    made = [SimpleNamespace(supervisor=SimpleNamespace(looked=time.monotonic() - age)) for age in ages]
    monkeypatch.setattr(systemd, "open_roots", lambda: made)


def test_it_is_fed_while_all_roots_are_watched(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in each period, until the end of the with."""
    roots(monkeypatch, 0.0, 0.5)
    with systemd.fed(asked(manager, 0.02)):
        assert [manager.recv(100) for _ in range(3)] == [ALIVE] * 3


def test_one_root_that_is_not_watched_is_enough_to_be_silent(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd restarts the program then; guests run on, for its unit kills nothing else."""
    roots(monkeypatch, 0.0, 60.0)
    assert not systemd.feed(str(manager.getsockname()))
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_g10_while_a_c_call_holds_the_gil_it_is_not_fed(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no thread of the program can interrupt looks from outside as what it is."""
    roots(monkeypatch, 0.0)
    manager.setblocking(False)
    with systemd.fed(asked(manager, 0.01)):
        ctypes.PyDLL(None).usleep(300_000)
        heard = 0
        while True:
            try:
                heard += manager.recv(100) == ALIVE
            except BlockingIOError:
                break
    assert heard <= 3  # what was sent before the call and at its end; a program that lives sends 60


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "1000"}, {"WATCHDOG_USEC": "1000", "NOTIFY_SOCKET": "/x", "WATCHDOG_PID": "1"},
     {"WATCHDOG_USEC": "soon", "NOTIFY_SOCKET": "/x"}],
)  # fmt: skip
def test_nothing_is_fed_that_was_not_asked_for(environment: dict[str, str]) -> None:
    """Without a socket, a period, or for another process."""
    assert systemd.period(environment) is None
    with systemd.fed(environment):
        pass


def test_a_manager_that_is_away_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It restarts itself, say."""
    roots(monkeypatch)
    assert not systemd.feed(str(tmp_path / "nobody"))


def test_an_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd writes it with an @."""
    roots(monkeypatch)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(b"\0embervirt-test-%d" % id(made))
        made.settimeout(20)
        assert systemd.feed("@" + made.getsockname()[1:].decode())
        assert made.recv(100) == ALIVE
