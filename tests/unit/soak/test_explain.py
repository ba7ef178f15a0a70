"""Which fault explains which error, end of a process, event."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from soak.counter import Moment, wrong
from soak.explain import (
    GRACE,
    SETTLES,
    Process,
    Story,
    ended_for_a_reason,
    explained,
    meets_destroy,
    operations,
)
from soak.history import Begun, Call, Ended, Fault, Told
from soak.linear import Maybe, Op


def call(
    op: str, begun: float, ended: float | None, *errors: str, domain: str = "d", id_: int = 1, value: int = 0
) -> Call:
    """One call; ``ended`` None: its program was killed."""
    end = None if ended is None else Ended(id_, ended, value, list(errors), 55 if errors else 0, "text")
    return Call(Begun(id_, 1, op, domain, begun), end)


@pytest.mark.parametrize(
    ("error", "fault", "fits"),
    [
        ("OperationInvalid", None, True),
        ("NotStarted ActorUnavailable", Fault("crash", "drivers/qemu", 9, 9), True),
        ("NotStarted ActorUnavailable", Fault("crash", "guests/3-d", 9, 9), True),
        ("NotStarted ActorUnavailable", Fault("crash", "guests/3-other", 9, 9), False),
        ("NotStarted ActorUnavailable", Fault("crash", "events", 12, 12), False),
        ("NotStarted ActorUnavailable", Fault("crash", "events", 10 - GRACE - 1, 10 - GRACE - 1), False),
        ("MonitorTimeout OperationTimeout", Fault("stop", "d", 5, 9), True),
        ("MonitorTimeout OperationTimeout", Fault("stop", "other", 5, 9), False),
        ("MonitorTimeout OperationTimeout", Fault("crash", "events", 9, 9), False),
        ("InvalidConnection", Fault("reopen", "", 9, 11), True),
        ("Quarantined ActorUnavailable", Fault("crash", "guests/3-d", 9, 9), False),
        ("InternalError", Fault("crash", "guests/3-d", 9, 9), False),
        ("LaunchFailed InternalError", Fault("kill", "d", 10, 10, 3), True),
        ("LaunchFailed InternalError", Fault("stop", "d", 9, 12, 3), True),
        ("LaunchFailed InternalError", Fault("freeze", "", 9, 10), False),
    ],
)
def test_an_error_needs_a_fault_that_leads_to_it(error: str, fault: Fault | None, fits: bool) -> None:
    """Of the right kind, on the same domain, at the time; those of the state need none."""
    assert explained(call("suspend", 10, 11, *error.split()), [fault] if fault else []) is fits


def test_a_call_may_meet_a_destroy() -> None:
    """Then its guest ends under it; another domain's destroy explains nothing."""
    lost = call("suspend", 10, 11, "MonitorLost", "OutcomeUnknown")
    assert meets_destroy(lost, [call("destroy", 9, 12, id_=2)])
    assert not meets_destroy(lost, [call("destroy", 9, 12, id_=2, domain="other")])
    assert not meets_destroy(lost, [call("destroy", 1, 2, id_=2)])


def test_calls_become_what_the_model_knows() -> None:
    """Answers, what may have happened, and nothing for calls that certainly did not happen."""
    calls = [
        call("suspend", 1, 2),
        call("resume", 3, 4, "OutcomeUnknown", id_=2),
        call("resume", 5, 6, "NotStarted", "ActorUnavailable", id_=3),
        call("destroy", 7, None, id_=4),
        call("state", 8, 9, "OutcomeUnknown", id_=5),
        call("state", 8, 9, id_=6, value=5, domain="other"),
        Call(Begun(7, 1, "listed", "", 8), Ended(7, 9, ["other", "d"])),
    ]
    assert list(operations(calls, calls, "d", over=10)) == [
        Op(1, "suspend", 1, 2, 0, 0, "text"),
        Maybe(2, "resume", 3, 4 + SETTLES, text=str(calls[1])),
        Maybe(4, "destroy", 7, 10 + SETTLES, text=str(calls[3])),
        Op(7, "listed", 8, 9, 0, 1),
    ]


def test_starts_know_what_they_meet() -> None:
    """One that another start refused says nothing of the state; one that met an undefine is marked."""
    calls = [
        call("create", 1, 5),
        call("create", 2, 3, "OperationInvalid", id_=2),
        call("undefine", 4, 6, id_=3),
        call("create", 8, 9, "OperationInvalid", id_=4),
    ]
    found = [(each.id, each.op) for each in operations(calls, calls, "d", over=10)]
    assert found == [(1, "create while undefined"), (3, "undefine"), (4, "create")]


GONE = Process("d", 7, 100, last=10.0, ended=10.2)


@pytest.mark.parametrize(
    ("calls", "faults", "reason"),
    [
        ([], [], False),
        ([], [Fault("kill", "d", 10, 10, 7)], True),
        ([], [Fault("kill", "d", 10, 10, 6)], False),
        ([], [Fault("stop", "d", 9, 11, 7)], False),
        ([call("destroy", 9, 10.1)], [], True),
        ([call("destroy", 9, 10.1, "NotStarted", "ActorUnavailable")], [], False),
        ([call("destroy", 8, 9, "OutcomeUnknown")], [], True),
        ([call("destroy", 8, 9)], [], False),
        ([call("destroy", 9, 11, domain="other")], [], False),
        ([call("shutdown", 9, 11)], [], False),
        ([call("create", 9, 11, "LaunchFailed")], [], True),
        ([call("create", 9, 11, "OperationInvalid")], [], False),
        ([call("create", 9, 11)], [], False),
        ([call("create", 9, None)], [], True),
    ],
)
def test_a_qemu_ends_for_a_reason(calls: list[Call], faults: list[Fault], reason: bool) -> None:
    """It was killed or destroyed, or its start was undone, then; else a guest was lost."""
    assert ended_for_a_reason(GONE, calls, faults) is reason


def told(*events: tuple[int, int, int]) -> list[Told]:
    """Lifecycle events: number, guest, event."""
    return [Told(seq, 0.0, "Lifecycle", "d", run, event, 0) for seq, run, event in events]


@pytest.mark.parametrize(
    ("events", "wrongs"),
    [
        ([(1, 7, 2), (2, 7, 3), (3, 7, 4), (4, 7, 5), (5, 8, 2)], 0),
        ([(1, -1, 0), (2, 7, 2), (3, 7, 0), (4, 7, 1), (5, 7, 5)], 0),
        ([(1, 7, 2), (3, 7, 3)], 1),
        ([(1, 7, 2), (1, 7, 3)], 1),
        ([(1, 7, 3)], 1),
        ([(1, 7, 2), (2, 7, 2)], 1),
        ([(1, 7, 2), (2, 7, 4)], 1),
        ([(1, 7, 2), (2, 7, 3), (3, 7, 3)], 1),
        ([(1, 7, 2), (2, 7, 5), (3, 7, 5)], 1),
    ],
)
def test_events_are_numbered_and_legal(events: list[tuple[int, int, int]], wrongs: int) -> None:
    """Without gap or repetition, and for each guest as its state machine goes."""
    assert len(list(Story().hear(told(*events)))) == wrongs


def test_the_death_of_the_program_may_swallow_an_event_but_no_number() -> None:
    """What was changed and not yet told; the guest's next event is believed, and the next number is due."""
    story = Story()
    assert list(story.hear(told((1, 7, 2)))) == []
    story.program_killed(1)
    assert list(story.hear(told((2, 7, 4), (3, 7, 5)))) == []
    assert len(list(story.hear(told((5, 8, 2))))) == 1


def test_what_a_killed_program_told_may_be_found_again_and_is_called_so() -> None:
    """It died between the event and its note of it: the next program finds what it does not know of."""
    story = Story()
    assert list(story.hear(told((1, 7, 2), (2, 7, 3)))) == []
    story.program_killed(2)
    resumed, found = told((3, 7, 4), (4, 7, 4))
    assert list(story.hear([resumed, replace(found, why="reconciled: it was found so")])) == []
    assert len(list(story.hear(told((5, 7, 4))))) == 1


def test_what_a_killed_program_wrote_is_checked_and_then_doubted() -> None:
    """The next program tells it: in order, and of what was to follow nobody knows; of its own it does."""
    story = Story()
    assert list(story.hear(told((1, 7, 2)))) == []
    story.program_killed(3)
    assert list(story.hear(told((2, 7, 3), (3, 7, 4), (4, 8, 2)))) == []
    assert story.runs == {7: None, 8: 2}
    story.program_killed(6)
    assert len(list(story.hear(told((5, 9, 2), (6, 9, 2))))) == 1


@pytest.mark.parametrize(
    ("numbers", "last", "words"),
    [
        ([0, 1, 2, 3], Moment(110, 60), ""),
        ([0, 1, 3], Moment(110, 60), "gap"),
        ([0, 1, 0, 1], Moment(110, 60), "begin anew"),
        ([0, 1, 2], Moment(110, 50), "stood still: 50.0 s passed for it in 60.0 s"),
        ([0, 1, 2], None, "does not count any more"),
    ],
)
def test_the_counter_tells_what_happened_to_it(numbers: list[int], last: Moment | None, words: str) -> None:
    """A gap, a new beginning, a stop, an end."""
    first = Moment(50, 0)
    found = list(wrong(numbers, first, last))
    assert len(found) == bool(words) and all(words in each for each in found)
