"""The judge hears lines as they come, across programs that are killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from soak.explain import Process
from soak.history import Begun, Ended, Fault, Line, Reader, Told, Writer, Wrong
from soak.judge import Judge

DEFINED: list[Line] = [Begun(1, 1, "define", "d", 1.0), Ended(1, 2.0)]
CREATED: list[Line] = [*DEFINED, Begun(2, 1, "create", "d", 3.0), Ended(2, 4.0)]


def problems(*lines: Line, alive: dict[str, int] | None = None, gone: Sequence[Process] = ()) -> list[str]:
    """After all of it."""
    judge = Judge(["d"])
    for line in lines:
        judge.hear([line])
        judge.judge()
    judge.gone(gone)
    judge.program_ended(50.0, killed=False)
    judge.finish(alive or {})
    return judge.problems


def read(id_: int, op: str, at: float, value: int) -> list[Line]:
    """A call that only looks."""
    return [Begun(id_, 1, op, "d", at), Ended(id_, at + 0.5, value)]


def test_what_is_explained_is_no_problem() -> None:
    """A guest that is started, seen, and still runs."""
    assert problems(*CREATED, *read(3, "state", 5, 1), *read(4, "id", 6, 7), alive={"d": 7}) == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*CREATED, *read(3, "state", 5, 5)], "no order of the calls explains state d -> 5"),
        (
            [*DEFINED, Begun(2, 1, "create", "d", 3.0), Ended(2, 4.0, 0, ["Quarantined"], 9)],
            "no fault explains",
        ),
        ([Wrong("a thread ended", 1.0)], "a thread ended"),
        ([*DEFINED, Begun(2, 1, "create", "d", 3.0)], "never ended"),
        ([*CREATED, *read(3, "id", 5, 7)], "embervirt says that {'d': 7} run; what runs is {}"),
    ],
)
def test_what_is_not_explained_is_told(lines: list[Line], words: str) -> None:
    """In words, with the call and what was known."""
    assert words in "\n".join(problems(*lines))


def test_a_guest_that_is_gone_is_told() -> None:
    """Nobody killed or destroyed it; or somebody did."""
    gone = Process("d", 7, 100, 5.0, 5.2)
    assert "nobody ended QEMU 100 of guest 7 (d)" in "\n".join(problems(*CREATED, gone=[gone]))
    killed = Fault("kill", "d", 5.1, 5.1, 7)
    assert not any("nobody ended" in each for each in problems(*CREATED, killed, gone=[gone]))


def test_a_guest_may_be_killed_twice() -> None:
    """The second signal comes while it dies of the first: each is one that may have ended it."""
    kills = [Fault("kill", "d", at, at, 7) for at in (5.0, 5.1)]
    gone = Process("d", 7, 100, 5.0, 5.2)
    runs: list[Line] = [Begun(3, 1, "id", "d", 4.1), Ended(3, 4.2, value=7)]
    ended: list[Line] = [Begun(4, 1, "id", "d", 6), Ended(4, 7, value=-1)]
    assert problems(*CREATED, *runs, *kills, *ended, gone=[gone]) == []


def test_calls_of_a_killed_program_may_have_happened() -> None:
    """Either way; and what it had not begun has not."""
    for seen in (1, 5):
        judge = Judge(["d"])
        judge.hear([*DEFINED, Begun(2, 1, "create", "d", 3.0)])
        judge.program_ended(4.0, killed=True)
        judge.hear(read(10, "state", 30.0, seen))
        judge.program_ended(31.0, killed=False)
        judge.finish({})
        assert judge.problems == []


def lifecycle(seq: int, run: int, event: int) -> Told:
    """An event of a guest."""
    return Told(seq, float(seq), "Lifecycle", "d", run, event, 0)


@pytest.mark.parametrize(("left", "untold"), [(2, False), (1, True)])
def test_the_end_of_a_guest_may_die_with_its_program_and_only_with_it(left: int, untold: bool) -> None:
    """Its pause, heard from the next program, is the killed one's last word, or that program's own."""
    judge = Judge(["d"])
    judge.hear([lifecycle(1, 7, 2)])
    judge.program_ended(10.0, killed=True, left=left)
    judge.hear([lifecycle(2, 7, 3)])
    judge.program_ended(20.0, killed=False)
    judge.finish({})
    assert judge.problems == (["no event tells of the end of the guests {7: 3}"] if untold else [])


def test_a_history_is_read_as_it_is_written(tmp_path: Path) -> None:
    """In the order of times, without the torn line of a program that was killed while it wrote."""
    path = tmp_path / "history"
    writer = Writer(path, first=5)
    reader = Reader(path)
    id_ = writer.begin("state", "d")
    assert [line.at for line in reader.lines() if isinstance(line, Begun)]
    writer.end(id_, 1)
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"type":"begun","id":6')
    (end,) = reader.lines()
    assert (id_, end) == (5, Ended(5, end.at, 1))
