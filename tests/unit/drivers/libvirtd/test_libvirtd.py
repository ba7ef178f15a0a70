"""A libvirtd is asked on threads of their own; with a stand-in for libvirt-python."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from embervirt.actors.messages import Request
from embervirt.drivers.libvirtd import Libvirtd, requests
from embervirt.drivers.libvirtd.connection import THREADS
from embervirt.drivers.network.errors import NoNetwork
from embervirt.drivers.secret import messages
from embervirt.errors import ConfigUnsupported, InvalidArgument, OperationFailed

URI = "network:///system"
SECONDS = 60.0


class TheirError(Exception):
    """As libvirt-python's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def get_error_code(self) -> int:
        return self.code

    def get_error_domain(self) -> int:
        return 19

    def get_error_message(self) -> str:
        return self.message


class Connection:
    """A virConnect."""

    def __init__(self, number: int) -> None:
        self.number, self.alive = number, True

    def isAlive(self) -> int:  # noqa: N802 - libvirt's name
        return int(self.alive)

    def close(self) -> None:
        self.alive = False


class Library(ModuleType):
    """What is asked of libvirt-python; ``opened``: connections, ``quiet``: whether errors are printed."""

    libvirtError = TheirError  # noqa: N815 - libvirt's name

    def __init__(self) -> None:
        super().__init__("libvirt")
        self.opened: list[Connection] = []
        self.down = False

    def open(self, uri: str) -> Connection:
        assert uri == URI
        if self.down:
            raise TheirError(38, "Failed to connect socket")
        self.opened.append(Connection(len(self.opened)))
        return self.opened[-1]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """In the place of libvirt-python, for one test."""
    made = Library()
    monkeypatch.setitem(sys.modules, "libvirt", made)
    return made


@pytest.fixture
def libvirtd(library: Library) -> Iterator[Libvirtd]:
    """Closed at the end."""
    made = Libvirtd(URI, {43: NoNetwork})
    yield made
    made.close()


def done(libvirtd: Libvirtd, operation: Callable[[Any], Any]) -> Any:
    """Its result, or what it raised."""
    return libvirtd.begin(operation).future.result(SECONDS)


def number(conn: Connection) -> int:
    """Which connection it is."""
    return conn.number


def test_it_is_connected_to_once_and_when_asked(library: Library, libvirtd: Libvirtd) -> None:
    """Not before, and not for each call."""
    assert library.opened == []
    assert [done(libvirtd, number), done(libvirtd, number)] == [0, 0]


def test_a_lost_connection_is_made_again_within_the_call(library: Library, libvirtd: Libvirtd) -> None:
    """One that was lost between two calls costs nothing; one that cannot be made says why."""
    done(libvirtd, number)
    library.opened[0].alive = False
    assert done(libvirtd, number) == 1

    def lose(conn: Connection) -> int:
        if conn.number == 1:
            conn.alive = False
            raise TheirError(38, "Cannot recv data")
        return conn.number

    assert done(libvirtd, lose) == 2
    library.opened[2].alive, library.down = False, True
    with pytest.raises(Exception, match="network:///system cannot be reached: Failed to connect"):
        done(libvirtd, number)
    library.down = False
    assert done(libvirtd, number) == 3


def test_errors_are_of_our_tree_and_say_whose_they_are(libvirtd: Libvirtd) -> None:
    """By libvirt's number: the driver's own, the tree's, or that it failed; not a word twice."""
    done(libvirtd, number)
    for code, said, type_, prefix in (
        (43, "Network not found: no 'a'", NoNetwork, "Network not found"),
        (8, "invalid argument: no 'a'", InvalidArgument, "invalid argument"),
        (9999, "no 'a'", OperationFailed, "operation failed"),
    ):

        def fail(_: Any, code: int = code, said: str = said) -> None:
            raise TheirError(code, said)

        with pytest.raises(type_) as error:
            done(libvirtd, fail)
        assert str(error.value) == f"{prefix}: no 'a' ({URI})"
        assert error.value.get_error_domain() == 19


def test_what_comes_too_late_is_undone(libvirtd: Libvirtd) -> None:
    """By the thread that did it; what was not begun when it was given up is not done at all."""
    go, undone, entered = threading.Event(), threading.Event(), threading.Semaphore(0)
    did: list[Any] = []

    def held(_: Any) -> bool:
        entered.release()
        return go.wait(SECONDS)

    begun = [libvirtd.begin(held, lambda _: undone.set()) for _ in range(THREADS)]
    assert all(entered.acquire(timeout=SECONDS) for _ in begun)
    queued = libvirtd.begin(did.append)
    assert queued.give_up() and all(each.give_up() for each in begun)
    assert not undone.is_set()
    go.set()
    assert undone.wait(SECONDS)
    assert done(libvirtd, number) == 0 and did == []


def test_a_result_in_time_is_not_given_up(libvirtd: Libvirtd) -> None:
    """Who gives up too late is told that there is one, and nothing is undone."""
    undone: list[Any] = []
    asked = libvirtd.begin(number, undone.append)
    asked.future.result(SECONDS)
    assert not asked.give_up() and undone == []


def test_one_that_hangs_takes_few_threads(libvirtd: Libvirtd) -> None:
    """However many ask; and the rest is done when it answers again."""
    go, before = threading.Event(), set(threading.enumerate())
    asked = [libvirtd.begin(lambda _: go.wait(SECONDS)) for _ in range(5 * THREADS)]
    new = set(threading.enumerate()) - before
    names = [each for each in new if each.name == "embervirt-libvirtd"]
    assert len(names) == THREADS and all(each.daemon for each in names)
    go.set()
    assert all(each.future.result(SECONDS) for each in asked)


def test_without_libvirt_python_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the URI that wanted it."""
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(ConfigUnsupported, match=r"network:///system is .*pip install 'embervirt\[libvirt\]'"):
        Libvirtd(URI, {})


def test_requests_are_those_of_a_contract() -> None:
    """Its own, and neither events nor what it imports."""
    assert messages.Define in requests(messages)
    assert {messages.SecretLifecycle, messages.SecretRef, Request}.isdisjoint(requests(messages))
