"""Handlers that wait: an actor does other things meanwhile, and goes on when the answer is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.bus import Bus
from embervirt.actors.messages import Request
from embervirt.actors.work import Work, awaited, step
from embervirt.errors import OperationAborted, OperationInvalid
from unit.actors.harness import PATIENCE, Reports, closed


class Wait(Request[int], frozen=True):
    """Answers what the present future brings."""


class Ask(Request[int], frozen=True):
    """Answers at once."""


class Patient(Actor):
    """Waits for ``future``, which a test settles."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.future: Future[int] = Future()
        self.begun, self.threads = threading.Event(), set[int]()
        self.traces: list[tuple[str, int]] = []

    @handles(Wait)
    def wait(self, _: Wait) -> Work[int]:
        """Twice, to see that it may."""
        self.note()
        self.begun.set()
        first: int = yield self.future
        self.note()
        second = yield from awaited(self.future)
        self.note()
        return first + second

    def note(self) -> None:
        """On which thread it is, and for whom."""
        self.threads.add(threading.get_ident())
        self.traces.append((self.activity.operation, self.activity.trace))

    @handles(Ask)
    def ask(self, _: Ask) -> int:
        """Whatever else is going on."""
        return 7


@pytest.fixture
def bus() -> Iterator[Bus]:
    """Closed at the end."""
    made = Bus(PATIENCE)
    yield made
    assert closed(made)


@pytest.fixture
def patient(bus: Bus) -> Iterator[Patient]:
    """Up; ended at the end."""
    reports = Reports()
    actor = Patient(Context("patient", 1, bus, reports))
    bus.routes.expect("patient")
    actor.launch()
    assert reports.is_ready.wait(PATIENCE)
    yield actor
    actor.post(actor.finish)
    assert not reports.exit().abnormal


def asked(bus: Bus) -> Future[int]:
    """A Wait, from a thread of its own."""
    result: Future[int] = Future()

    def run() -> None:
        try:
            result.set_result(bus.call("patient", Wait()))
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return result


# Steps.


def numbers() -> Work[str]:
    """Two futures, one after another."""
    first: Future[Any] = Future()
    got = yield first
    second: Future[Any] = Future()
    try:
        got += yield second
    except (OperationInvalid, OperationAborted) as error:
        return type(error).__name__
    return str(got)


def test_a_step_goes_on_with_what_the_future_brought() -> None:
    """Until the end, whose value StopIteration has."""
    work = numbers()
    first = step(work)
    first.set_result(1)
    second = step(work, first)
    assert second is not first
    second.set_result(2)
    with pytest.raises(StopIteration) as ended:
        step(work, second)
    assert ended.value.value == "3"


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_the_future_raises_is_raised_in_the_work(cancelled: bool) -> None:
    """Which may handle it; a cancelled future is an aborted operation."""
    work = numbers()
    first = step(work)
    first.set_result(1)
    second = step(work, first)
    if cancelled:
        second.cancel()
    else:
        second.set_exception(OperationInvalid("no"))
    with pytest.raises(StopIteration) as ended:
        step(work, second)
    assert ended.value.value == ("OperationAborted" if cancelled else "OperationInvalid")


def test_what_the_work_raises_comes_out() -> None:
    """Of the step in which it does."""

    def fails() -> Work[None]:
        yield Future()
        raise OperationInvalid("then")

    work = fails()
    first = step(work)
    first.set_result(None)
    with pytest.raises(OperationInvalid, match="then"):
        step(work, first)


# In an actor.


def test_an_actor_that_waits_answers_others(bus: Bus, patient: Patient) -> None:
    """And itself later, on its own thread, still for the same request."""
    waiting = asked(bus)
    assert patient.begun.wait(PATIENCE)
    assert bus.call("patient", Ask()) == 7
    assert not waiting.done()
    patient.future.set_result(4)
    assert waiting.result(PATIENCE) == 8
    assert len(patient.threads) == 1
    assert len(patient.traces) == 3 and len(set(patient.traces)) == 1
    assert patient.traces[0][0] == "Wait" and patient.traces[0][1] > 0


def test_an_error_of_the_tree_is_a_reply_and_the_actor_lives(bus: Bus, patient: Patient) -> None:
    """As from a handler that does not wait."""
    waiting = asked(bus)
    assert patient.begun.wait(PATIENCE)
    patient.future.set_exception(OperationInvalid("not now"))
    assert isinstance(waiting.exception(PATIENCE), OperationInvalid)
    assert bus.call("patient", Ask()) == 7


def test_within_says_whether_it_came_in_time(bus: Bus, patient: Patient) -> None:
    """The time over, or the future done: whichever is first, once."""
    said: Future[list[bool]] = Future()

    def both() -> Work[None]:
        late = yield patient.within(Future(), 0.01)
        patient.future.set_result(1)
        early = yield patient.within(patient.future, PATIENCE)
        said.set_result([late, early])

    patient.post(lambda: patient.work(both()))
    assert said.result(PATIENCE) == [False, True]


def test_patience_does_at_once_what_is_done_soon(bus: Bus, patient: Patient) -> None:
    """Before anything else; the rest goes on beside."""
    order: list[str] = []
    done = threading.Event()

    def work() -> Work[None]:
        soon: Future[None] = Future()
        soon.set_result(None)
        yield soon
        order.append("soon")
        yield patient.future
        order.append("late")
        done.set()

    def task() -> None:
        patient.work(work(), patience=0.05)
        order.append("after")

    patient.post(task)
    assert bus.call("patient", Ask()) == 7
    assert order == ["soon", "after"]
    patient.future.set_result(0)
    assert done.wait(PATIENCE)
    assert order == ["soon", "after", "late"]


def test_work_that_outlives_its_actor_is_dropped(bus: Bus) -> None:
    """Its caller is told that nobody knows; what it waited for changes nothing any more."""
    reports = Reports()
    actor = Patient(Context("patient", 1, bus, reports))
    bus.routes.expect("patient")
    actor.launch()
    assert reports.is_ready.wait(PATIENCE)
    waiting = asked(bus)
    assert actor.begun.wait(PATIENCE)
    actor.post(actor.finish)
    assert not reports.exit().abnormal
    assert type(waiting.exception(PATIENCE)).__name__ == "OutcomeUnknown"
    actor.future.set_result(1)
    assert len(actor.traces) == 1
