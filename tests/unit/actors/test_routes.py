"""Who is there, and which calls are in flight to whom."""

from __future__ import annotations

import threading
import time

import pytest

from embervirt.actors.messages import Failure
from embervirt.actors.routes import Pending, Routes
from embervirt.errors import (
    ActorUnavailable,
    InvalidConnection,
    MailboxFull,
    OperationTimeout,
    Quarantined,
)

CALLER = b"caller-1"


def soon(seconds: float = 20.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


class Noticed:
    """Routes whose notices are kept."""

    def __init__(self, mailbox: int = 10) -> None:
        self.routes = Routes(mailbox)
        self.notices: list[tuple[int, str, str]] = []
        self.routes.notify = self.note

    def note(self, pending: Pending, failure: Failure) -> None:
        """One call was settled without a reply."""
        self.notices.append((pending.id, failure.error, failure.detail))


def test_the_address_carries_the_generation() -> None:
    """The name stays; a message for a dead generation reaches nobody."""
    routes = Routes(1)
    routes.expect("qemu")
    assert routes.address("qemu") is None
    routes.up("qemu", 3)
    assert routes.address("qemu") == b"qemu#3"
    assert routes.admit("qemu", CALLER, soon()).address == b"qemu#3"
    routes.down("qemu", 3, "killed")
    assert routes.address("qemu") is None


def test_a_death_settles_what_that_generation_held_once() -> None:
    """Begun ones as unknown, queued ones as not started; the next call to the same name is another's."""
    noticed = Noticed()
    routes = noticed.routes
    routes.up("a", 1)
    begun, queued = routes.admit("a", CALLER, soon()), routes.admit("a", CALLER, soon())
    assert routes.begin(begun.id)
    routes.down("a", 1, "killed")
    routes.down("a", 1, "again")
    assert noticed.notices == [
        (
            begun.id,
            "OutcomeUnknown",
            "a ended while it handled the call: killed; it may have happened",
        ),
        (queued.id, "NotStarted", "a ended before it began the call: killed"),
    ]
    assert not routes.begin(queued.id)
    assert routes.in_flight("a") == 0


def test_the_end_of_an_old_generation_does_not_touch_the_new() -> None:
    """Late news of a zombie."""
    noticed = Noticed()
    routes = noticed.routes
    routes.up("a", 1)
    routes.down("a", 1, "given up")
    routes.up("a", 2)
    routes.admit("a", CALLER, soon())
    routes.down("a", 1, "ended at last")
    assert (noticed.notices, routes.address("a"), routes.in_flight("a")) == ([], b"a#2", 1)


def test_news_of_a_name_that_is_gone_make_no_name() -> None:
    """Else a later call would wait for a successor that nobody will start."""
    routes = Routes(1)
    routes.up("a", 1)
    routes.forget("a")
    routes.down("a", 1, "late")
    with pytest.raises(ActorUnavailable, match="no actor named a runs"):
        routes.admit("a", CALLER, soon())


def test_a_settled_call_is_not_begun() -> None:
    """Its caller gave up; afterwards ``begun`` does not change."""
    routes = Routes(1)
    routes.up("a", 1)
    pending = routes.admit("a", CALLER, soon())
    routes.settle(pending)
    assert not routes.begin(pending.id)
    assert not pending.begun


def test_the_mailbox_is_per_actor() -> None:
    """A full one refuses, the neighbour's accepts; a settled call makes room."""
    routes = Routes(2)
    routes.up("a", 1)
    routes.up("b", 1)
    first = routes.admit("a", CALLER, soon())
    routes.admit("a", CALLER, soon())
    with pytest.raises(MailboxFull):
        routes.admit("a", CALLER, soon())
    routes.admit("b", CALLER, soon())
    routes.settle(first)
    routes.admit("a", CALLER, soon())


def test_a_name_nobody_has_is_looked_for_first() -> None:
    """``missing`` may bring it up."""
    routes = Routes(1)
    asked: list[str] = []

    def start(name: str) -> None:
        asked.append(name)
        routes.up(name, 1)

    routes.missing = start
    assert routes.admit("a", CALLER, soon()).address == b"a#1"
    assert asked == ["a"]


def test_a_caller_waits_between_two_generations() -> None:
    """Until the successor is up, and not longer than its deadline."""
    routes = Routes(1)
    routes.expect("a")
    with pytest.raises(OperationTimeout, match="a did not come back by the deadline; nothing was started"):
        routes.admit("a", CALLER, soon(0.01))
    admitted: list[bytes] = []
    waiting = threading.Thread(target=lambda: admitted.append(routes.admit("a", CALLER, soon()).address))
    waiting.start()
    routes.up("a", 7)
    waiting.join()
    assert admitted == [b"a#7"]


@pytest.mark.parametrize("how", ["refuse", "forget", "close"])
def test_one_who_waits_hears_that_nobody_will_come(how: str) -> None:
    """At once, with the reason."""
    routes = Routes(1)
    routes.expect("a")
    errors: list[Exception] = []
    inside = threading.Event()
    wait = routes._changed.wait

    def waiting(timeout: float | None = None) -> bool:
        inside.set()
        return bool(wait(timeout))

    routes._changed.wait = waiting

    def ask() -> None:
        try:
            routes.admit("a", CALLER, soon())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert inside.wait(20)
    if how == "refuse":
        routes.refuse("a", Quarantined("a is quarantined: too often"))
    elif how == "forget":
        routes.forget("a")
    else:
        routes.close(InvalidConnection("the root was closed"))
    thread.join()
    kinds = {"refuse": Quarantined, "forget": ActorUnavailable, "close": InvalidConnection}
    assert [type(error) for error in errors] == [kinds[how]]


def test_a_refusal_ends_when_the_actor_is_expected_again() -> None:
    """And each caller gets an exception of its own."""
    routes = Routes(1)
    routes.refuse("a", Quarantined("too often"))
    errors = []
    for _ in range(2):
        with pytest.raises(Quarantined, match="too often") as caught:
            routes.admit("a", CALLER, soon())
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    routes.expect("a")
    routes.up("a", 2)
    assert routes.admit("a", CALLER, soon()).generation == 2


def test_the_end_settles_everything_and_stays() -> None:
    """Whoever asks later gets the reason."""
    noticed = Noticed()
    routes = noticed.routes
    routes.up("a", 1)
    routes.admit("a", CALLER, soon())
    routes.close(InvalidConnection("the root was closed"))
    assert [each[1] for each in noticed.notices] == ["NotStarted"]
    with pytest.raises(InvalidConnection, match="the root was closed"):
        routes.admit("a", CALLER, soon())
