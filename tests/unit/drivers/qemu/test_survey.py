"""What a guest's actor makes of QEMU's answers."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest

from embervirt.actors.work import Work, step
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.survey import Survey
from embervirt.drivers.root.journal import Operation


class Link:
    """Keeps the questions; the test answers them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Future[Any]]] = []

    def find_out(self, command: str, arguments: object = None) -> Work[Any]:
        """Waits for the test."""
        self.asked.append((command, Future()))
        return (yield self.asked[-1][1])

    ask = find_out


def test_a_status_that_was_overtaken_is_asked_for_again() -> None:
    """An event that QEMU sent after its answer may be heard before it: then that is not true any more."""
    seen, link = SimpleNamespace(heard=7), Link()
    survey = Survey(cast(Any, None), cast(Any, seen), cast(Any, None))
    survey.link = cast(Any, link)
    work = survey._status([])
    waits_for = step(work)
    seen.heard += 1  # STOP
    waits_for.set_result({"status": "running"})
    waits_for = step(work, waits_for)
    waits_for.set_result({"status": "paused"})
    with pytest.raises(StopIteration) as end:
        step(work, waits_for)
    assert end.value.value == {"status": "paused"}
    assert [command for command, _ in link.asked] == ["query-status", "query-status"]


def test_a_guest_that_ends_while_its_start_is_completed_is_not_published_again() -> None:
    """QEMU's answer may be heard after its end, with which all was told."""
    seen, link = SimpleNamespace(row=object()), Link()
    survey = Survey(cast(Any, None), cast(Any, seen), cast(Any, None))
    survey.link = cast(Any, link)
    start = Operation("s-1", "start", "uuid", {"id": 1, "paused": False}, 0.0)
    work = survey._complete(start, states.PAUSED_STARTING)
    waits_for = step(work)
    seen.row = None
    waits_for.set_result({})
    with pytest.raises(StopIteration) as end:
        step(work, waits_for)
    assert end.value.value is True
    assert [command for command, _ in link.asked] == ["cont"]
