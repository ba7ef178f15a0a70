"""Which operations are overdue, and what becomes of them: the policy alone, in virtual time."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.actors.activity import Activity
from embervirt.supervisor.lookout import load
from embervirt.supervisor.watch import Limits, Overdue, Watch, waits

LIMITS = Limits(operation=10.0, grace=2.0, cap=5.0, every=0.5, load=50.0)
ORDER = "abcdef"


class Stage:
    """Actors called by one letter, with what each does; time passes look by look."""

    def __init__(self, **busy: Activity) -> None:
        self.watch: Watch[str] = Watch(LIMITS, ORDER.index)
        self.busy = busy
        self.now = 0.0
        self.factor = 1.0
        self.said: list[tuple[float, str, str]] = []
        self.found: list[Overdue[str]] = []

    def until(self, when: float) -> Stage:
        """Looks every half second, and notes what was decided."""
        while self.now < when:
            self.now += LIMITS.every
            for each in self.watch.look(self.now, self.busy, self._find, self.factor):
                self.found.append(each)
                self.said.append((self.now, each.who, each.verdict))
        return self

    def gap(self, seconds: float) -> Stage:
        """Nobody looks meanwhile."""
        self.now += seconds
        return self

    @staticmethod
    def _find(name: str) -> str | None:
        return name if name in ORDER else None


def operation(step: float = 0.0, **more: Any) -> Activity:
    """One that began at ``step``."""
    return Activity("Define", started=step, step=step)._replace(**more)


def test_an_overdue_operation_is_reported_then_cancelled_then_given_up() -> None:
    """At its limit, at the next look, and after the grace; each once, then silence."""
    stage = Stage(a=operation()).until(30)
    assert stage.said == [(10.0, "a", "warn"), (10.5, "a", "cancel"), (12.0, "a", "fence")]


def test_an_operation_in_time_is_left_alone() -> None:
    """However many follow each other."""
    stage = Stage()
    for n in range(10):
        stage.busy = {"a": operation(stage.now)}
        stage.until(9.5 * (n + 1))
    assert stage.said == []


def test_one_that_ends_within_the_grace_is_forgiven() -> None:
    """And the next operation begins with a clean slate."""
    stage = Stage(a=operation()).until(11)
    stage.busy = {"a": operation(11.0)}
    stage.until(21)
    assert stage.said == [(10.0, "a", "warn"), (10.5, "a", "cancel"), (21.0, "a", "warn")]


@pytest.mark.parametrize(("limit", "due"), [(None, 10.0), (3.0, 3.0), (25.0, 25.0)])
def test_the_limit_is_what_the_message_declares(limit: float | None, due: float) -> None:
    """Else the setting's."""
    assert Stage(a=operation(limit=limit)).until(40).said[0] == (due, "a", "warn")


def test_g13_progress_at_the_last_moment_is_no_hang_until_the_hard_cap() -> None:
    """Reported at 0.99 of the limit again and again: nothing happens before five limits, then it is hung."""
    stage = Stage(a=operation())
    while stage.now < 60:
        stage.until(stage.now + LIMITS.every)
        stage.busy = {"a": operation(progress=9.9 * ((stage.now + LIMITS.every) // 9.9))}
    assert stage.said == [(50.0, "a", "warn"), (50.5, "a", "cancel"), (52.0, "a", "fence")]


def test_progress_after_a_warning_is_forgiven() -> None:
    """It was slow, and goes on."""
    stage = Stage(a=operation()).until(10)
    stage.busy = {"a": operation(progress=10.1)}
    stage.until(20)
    assert stage.said == [(10.0, "a", "warn")]


def test_one_whose_clock_stands_still_is_left_alone() -> None:
    """A guest takes its time, say; afterwards its own time goes on."""
    stage = Stage(a=operation(paused=True)).until(1000)
    assert stage.said == []
    stage.busy = {"a": operation(995.0)}
    assert stage.until(1005).said == [(1005.0, "a", "warn")]


def test_g09_a_host_that_slept_an_hour_makes_nobody_hung() -> None:
    """Monotonic time stands still then; were it to jump instead, all get the hour as credit."""
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
    stage = Stage(a=operation(), b=operation(limit=0.6)).until(0.5).gap(3600)
    stage.until(3600.5)
    assert stage.said == []
    stage.until(3614)
    assert [who for _, who, verdict in stage.said if verdict == "fence"] == ["b", "a"]


@given(st.floats(1.1, 1000), st.floats(0.5, 8.5))
def test_g10_what_the_watch_was_late_by_is_nobodys_fault(gap: float, before: float) -> None:
    """A C call held the GIL: who had not been overdue before is not so at the first look after it."""
    stage = Stage(a=operation(0.0)).until(before).gap(gap)
    stage.busy["b"] = operation(stage.now - gap / 2)
    for each in (0, 1):
        stage.until(stage.now + LIMITS.every * each)
    assert stage.said == []


def test_n09_load_is_granted_where_every_line_is_traced() -> None:
    """A debugger that slows everything down fifty times: limits and grace are fifty times as long."""
    stage = Stage(a=operation())
    stage.factor = LIMITS.load
    assert stage.until(499).said == []
    assert stage.until(700).said == [(500.0, "a", "warn"), (500.5, "a", "cancel"), (600.0, "a", "fence")]


def test_a_trace_function_of_the_host_program_is_noticed() -> None:
    """And that it is gone again."""
    before = threading.gettrace()
    try:
        threading.settrace(lambda *_: None)
        assert load(LIMITS) == 50.0
    finally:
        threading.settrace(before)


def test_who_waits_for_another_that_is_at_work_is_left_alone() -> None:
    """Both are overdue and reported; only the one that answers nobody is given up."""
    stage = Stage(a=operation(), b=operation(asks="a"), c=operation(asks="b")).until(13)
    assert [(who, verdict) for _, who, verdict in stage.said] == [
        ("a", "warn"), ("b", "warn"), ("c", "warn"), ("a", "cancel"), ("a", "fence"),
    ]  # fmt: skip


def test_who_waits_for_one_that_does_nothing_is_given_up() -> None:
    """The answer is not to be expected."""
    stage = Stage(b=operation(asks="a")).until(13)
    assert [verdict for _, _, verdict in stage.said] == ["warn", "cancel", "fence"]


def test_of_a_cycle_the_last_in_the_order_of_start_is_given_up() -> None:
    """All three are reported with the cycle, whoever only waits for it is left alone."""
    cycle = {"a": operation(asks="b"), "b": operation(asks="c"), "c": operation(asks="a")}
    stage = Stage(**cycle, d=operation(asks="a")).until(13)
    assert [who for _, who, verdict in stage.said if verdict == "warn"] == list("abcd")
    assert [(who, verdict) for _, who, verdict in stage.said if verdict != "warn"] == [
        ("c", "cancel"), ("c", "fence"),
    ]  # fmt: skip
    assert [set(each.cycle) for each in stage.found] == [set("abc")] * 3 + [set()] + [set("abc")] * 2


@given(st.dictionaries(st.sampled_from(ORDER), st.sampled_from([*ORDER, "", "nobody"])))
def test_following_who_waits_for_whom_ends(asks: dict[str, str]) -> None:
    """Whatever they say: nobody is met twice but the last."""
    busy = {who: operation(asks=asked) for who, asked in asks.items()}
    for who in busy:
        chain = waits(who, busy, Stage._find)
        assert len(set(chain[:-1])) == len(chain) - 1 or len(chain) == 1
        assert chain[0] == who


@given(
    st.lists(st.tuples(st.floats(0.01, 30), st.booleans()), min_size=1, max_size=20),
    st.floats(0.5, 20),
)
def test_nobody_is_given_up_before_limit_and_grace(steps: list[tuple[float, bool]], limit: float) -> None:
    """Whatever is begun and progresses when: a fence comes only so long after the last sign of life."""
    stage = Stage(a=operation(0.0, limit=limit))
    for length, progresses in steps:
        stage.until(stage.now + length)
        for each in stage.found:
            if each.verdict == "fence":
                alive = max(each.activity.step, each.activity.progress)
                capped = each.activity.step + 5 * limit
                assert stage.now >= min(alive + limit, capped) + LIMITS.grace
        now = stage.now
        old = stage.busy["a"]
        stage.busy = {"a": old._replace(progress=now) if progresses else operation(now, limit=limit)}
