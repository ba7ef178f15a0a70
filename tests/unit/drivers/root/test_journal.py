"""The journal of operations: what it remembers, of a file that was torn, on a disk that is full."""

from __future__ import annotations

import errno
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt import faults
from embervirt.actors.fence import Fence, Fenced
from embervirt.drivers.root import journal as module
from embervirt.drivers.root.journal import Journal, Line, Mark, Operating, Operation
from embervirt.errors import (
    InvalidArgument,
    OperationAborted,
    OperationInvalid,
    OperationTimeout,
    OutcomeUnknown,
    SystemError_,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it is."""
    return tmp_path / "operations.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A new one."""
    made = Journal(path)
    yield made
    made.close()


def begin(journal: Journal, id_: str = "s-1", subject: str = "u") -> Operating:
    """A start."""
    return journal.begin(id_, "start", subject, {"id": 1})


def again(path: Path) -> list[Operation]:
    """What another agent finds."""
    journal = Journal(path)
    journal.close()
    return journal.values()


# What it remembers.


def test_an_operation_is_told_from_intent_to_result(journal: Journal, path: Path) -> None:
    """Its plan, its steps and its end are the same for the next agent."""
    with begin(journal) as operation:
        operation.mark("spawned")
        operation.mark("recorded")
        assert [each.id for each in journal.open()] == ["s-1"]
    known = journal.get("s-1")
    assert (known.what, known.subject, known.plan, known.state) == ("start", "u", {"id": 1}, "done")
    assert known.steps == ["spawned", "recorded"]
    assert journal.open() == []
    assert again(path) == [known]


def test_an_error_of_the_tree_is_a_failure_with_its_text(journal: Journal) -> None:
    """What was refused did not happen."""
    with pytest.raises(OperationInvalid), begin(journal):
        raise OperationInvalid("not now")
    assert (journal.get("s-1").state, "not now" in journal.get("s-1").error) == ("failed", True)


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), OperationTimeout("late"), RuntimeError("a bug")])
def test_what_nobody_knows_stays_open(journal: Journal, path: Path, error: Exception) -> None:
    """No answer, or a crash: its owner finds out later."""
    with pytest.raises(type(error)), begin(journal):
        raise error
    assert [each.id for each in journal.open("u")] == ["s-1"]
    assert [each.state for each in again(path)] == ["open"]


def test_the_first_result_counts(journal: Journal, path: Path) -> None:
    """A later one is not even written."""
    operation = begin(journal)
    operation.end("undone")
    size = path.stat().st_size
    operation.end("done")
    assert (journal.get("s-1").state, path.stat().st_size) == ("undone", size)


def test_open_ones_are_found_by_subject_at_once(journal: Journal) -> None:
    """Among a thousand that have ended it takes about as long as among two that have not."""

    def look() -> float:
        began = time.thread_time()
        for _ in range(1000):
            assert [each.id for each in journal.open("b")] == ["s-b"]
        return time.thread_time() - began

    begin(journal, "s-a", "a")
    begin(journal, "s-b", "b")
    alone = min(look() for _ in range(3))
    for number in range(1000):
        begin(journal, f"s-{number}").end("done")
    assert min(look() for _ in range(3)) < 20 * alone
    assert [each.id for each in journal.open()] == ["s-a", "s-b"]


def test_an_unknown_operation_is_an_error_that_says_how_many_are_known(journal: Journal) -> None:
    """It may be one of long ago."""
    with pytest.raises(InvalidArgument, match=r"'s-9' is not one of the last 1000"):
        journal.get("s-9")
    assert journal.find("s-9") is None


LINES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["intent", "mark", "done", "failed"])), max_size=30
)


@given(LINES)
def test_lines_fold_to_the_same_operation_in_one_go_and_by_and_by(lines: list[tuple[str, str]]) -> None:
    """A line of an operation without intent is nothing; a result is final; each mark counts once."""
    known: dict[str, Operation | None] = {}
    for id_, kind in lines:
        known[id_] = line(id_, kind).after(known.get(id_))
    for id_ in known:
        own = [kind for each, kind in lines if each == id_]
        if "intent" not in own:
            assert known[id_] is None
            continue
        since = own[len(own) - own[::-1].index("intent") :]
        results = [kind for kind in since if kind != "mark"]
        found = known[id_]
        assert found is not None
        assert found.state == (results[0] if results else "open")
        assert len(found.steps) == since.count("mark")


def line(id_: str, kind: str) -> Line:
    """One of that kind."""
    if kind == "intent":
        return Line(id_, intent=Operation(id_, "start", "u", {}, 0.0))
    if kind == "mark":
        return Line(id_, mark=Mark("step", 0.0))
    return Line(id_, result=("done" if kind == "done" else "failed", ""))


# Cancelling.


def test_a_cancelled_operation_ends_at_its_next_step(journal: Journal) -> None:
    """It is told there, and undoes itself."""
    with pytest.raises(OperationAborted), begin(journal) as operation:
        journal.cancel("s-1")
        operation.mark("spawned")
    assert (journal.get("s-1").state, journal.get("s-1").steps) == ("failed", ["spawned"])


def test_a_cancel_after_the_end_is_too_late(journal: Journal) -> None:
    """And says what became of it."""
    begin(journal).end("done")
    with pytest.raises(OperationInvalid, match="too late to cancel operation s-1: it is done"):
        journal.cancel("s-1")


# Files that were not left whole.


def test_a_torn_last_line_is_passed_over(journal: Journal, path: Path) -> None:
    """It was never acted upon, and does not swallow what comes after it."""
    begin(journal).mark("spawned")
    journal.close()
    path.write_bytes(path.read_bytes()[:-10])
    second = Journal(path)
    assert second.get("s-1").steps == []
    begin(second, "s-2")
    second.close()
    assert [each.id for each in again(path)] == ["s-1", "s-2"]


def test_a_torn_line_in_the_middle_costs_that_line(journal: Journal, path: Path) -> None:
    """Garbage too; the rest is read."""
    begin(journal, "s-1").mark("spawned")
    begin(journal, "s-2").end("done")
    journal.close()
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:7], b"\xff\x00garbage", *lines[2:]]))
    assert [(each.id, each.state, each.steps) for each in again(path)] == [
        ("s-1", "open", []),
        ("s-2", "done", []),
    ]


def test_a_write_that_was_torn_does_not_spoil_the_next(journal: Journal, path: Path) -> None:
    """The intent is refused; the one after it stands alone on its line."""
    with faults.inject("file.written", faults.torn(5), times=1), pytest.raises(SystemError_):
        begin(journal, "s-1")
    begin(journal, "s-2")
    assert journal.find("s-1") is None
    assert [each.id for each in again(path)] == ["s-2"]


# A full disk.


def test_an_intent_that_cannot_be_written_is_refused(journal: Journal, path: Path) -> None:
    """Nothing is to be done then; the error names the file, and later it works."""
    with faults.inject("file.written", faults.error(errno.ENOSPC)):
        with pytest.raises(SystemError_, match=f"cannot write '{path}': No space left") as refused:
            begin(journal)
        assert refused.value.get_int1() == errno.ENOSPC
    assert journal.values() == []
    begin(journal)
    assert [each.id for each in again(path)] == ["s-1"]


def test_a_result_that_cannot_be_written_counts_and_is_written_later(journal: Journal, path: Path) -> None:
    """What happened has happened; marks are owed in their order, and come before whatever is next."""
    operation = begin(journal)
    with faults.inject("file.written", faults.error(errno.ENOSPC)):
        operation.mark("spawned")
        operation.end("done")
        assert (journal.get("s-1").state, journal.open()) == ("done", [])
    begin(journal, "s-2").end("undone")
    assert [(each.id, each.state, each.steps) for each in again(path)] == [
        ("s-1", "done", ["spawned"]),
        ("s-2", "undone", []),
    ]


def test_a_result_that_was_owed_at_a_death_leaves_the_operation_open(journal: Journal, path: Path) -> None:
    """Its owner finds out."""
    operation = begin(journal)
    with faults.inject("file.written", faults.error(errno.ENOSPC)):
        operation.end("done")
    journal.close()
    assert [each.state for each in again(path)] == ["open"]


# Growth.


def test_the_file_is_shortened_to_what_is_remembered(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last ones that ended, and all that are open, however old."""
    monkeypatch.setattr(module, "KEPT", 10)
    monkeypatch.setattr(module, "LINES", 100)
    begin(journal, "s-old")
    most = 0
    for number in range(200):
        begin(journal, f"s-{number}").end("done")
        most = max(most, len(path.read_bytes().splitlines()))
    assert most <= 101
    journal.close()
    assert [each.id for each in again(path)] == ["s-old", *(f"s-{number}" for number in range(190, 200))]


def test_no_more_is_remembered_than_is_said(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the file has yet to be shortened, which is much longer; what is open is never forgotten."""
    monkeypatch.setattr(module, "KEPT", 10)
    begin(journal, "s-old")
    for number in range(30):
        begin(journal, f"s-{number}").end("done")
        assert len(journal.values()) <= 11
    assert [each.id for each in journal.values()] == ["s-old", *(f"s-{number}" for number in range(20, 30))]


def test_to_shorten_it_takes_no_copy_of_it(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens on any thread, and malloc would keep the room there."""
    for number in range(1000):
        begin(journal, f"s-{number}").end("failed", "x" * 1000)
    monkeypatch.setattr(module, "LINES", 1)
    tracemalloc.start()
    try:
        begin(journal, "s-last")
        assert path.stat().st_size > 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_to_read_it_takes_no_copy_of_it(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as long as it gets when a root is opened; what is remembered is much less."""
    monkeypatch.setattr(module, "KEPT", 10)
    for number in range(2000):
        begin(journal, f"s-{number}").end("failed", "x" * 1000)
    journal.close()
    assert path.stat().st_size > 2_000_000
    tracemalloc.start()
    try:
        assert len(again(path)) == 10
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_a_journal_that_cannot_be_shortened_goes_on(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the old file, also for the agent that opens it then."""
    begin(journal, "s-old")
    monkeypatch.setattr(module, "LINES", 5)
    with faults.inject("file.renamed", faults.error(errno.ENOSPC)) as refused:
        for number in range(10):
            begin(journal, f"s-{number}").end("done")
        assert refused.hits > 1
        journal.close()
        assert len(again(path)) == 11


# Generations.


def test_a_generation_that_was_given_up_writes_nothing(journal: Journal, path: Path) -> None:
    """Neither intents nor marks nor results."""
    fence = Fence("guest/1", 1)
    operation = journal.begin("s-1", "start", "u", {}, fence)
    size = path.stat().st_size
    fence.close()
    with pytest.raises(Fenced):
        operation.mark("spawned")
    with pytest.raises(Fenced):
        operation.end("done")
    with pytest.raises(Fenced):
        journal.begin("s-2", "start", "u", {}, fence)
    assert (path.stat().st_size, journal.get("s-1").state, journal.find("s-2")) == (size, "open", None)


def test_what_has_not_begun_can_be_forestalled(journal: Journal) -> None:
    """It stops before its first step, however late it begins; one that has ended stays ended."""
    journal.forestall("s-1")
    operation = begin(journal, "s-1")
    with pytest.raises(OperationAborted, match="s-1 was cancelled"):
        operation.mark("made")
    operation.end("undone")
    assert journal.get("s-1").state == "undone"
