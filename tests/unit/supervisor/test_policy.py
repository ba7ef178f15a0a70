"""When to restart, after how long, and when to give up; all in virtual time."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.actors.exits import NORMAL, SHUTDOWN, Exit
from embervirt.supervisor.policy import (
    Decision,
    Dropped,
    GivingUp,
    Restarting,
    decide,
    delay,
    unreachable,
    window,
)
from embervirt.supervisor.spec import Backoff, ChildSpec, Supervision
from unit.supervisor.world import AT_ONCE, ERROR, leaf

TERM = Exit("shutdown", term="asked")
backoffs = st.builds(
    lambda initial, more, factor, jitter: Backoff(initial, factor, initial + more, jitter),
    st.floats(0.001, 10), st.floats(0, 100), st.floats(1, 10), st.floats(0, 1),
)  # fmt: skip
times = st.lists(st.floats(0, 100), max_size=40).map(sorted)


def plain(low: float, high: float) -> float:
    """The middle: no jitter."""
    return (low + high) / 2


def fails_at(spec: ChildSpec, flags: Supervision, *moments: float, **state: Any) -> list[Decision]:
    """What is decided at each of these moments, as one child fails again and again."""
    log: tuple[float, ...] = ()
    failures, decisions = state.get("failures", 0), []
    for now in moments:
        up = state.get("up_for", 0.0)
        made = decide(spec, flags, ERROR, now=now, up_for=up, failures=failures, log=log, uniform=plain)
        decisions.append(made)
        if isinstance(made, Restarting):
            failures, log = made.failures, made.log
    return decisions


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, TERM, ERROR, Exit("lost"), Exit("fenced")])
def test_the_nine_cells(restart: Any, reason: Exit) -> None:
    """B01-B09: permanent restarts always, transient after an abnormal end, temporary never."""
    spec, flags = leaf("a", restart=restart), Supervision()
    made = decide(spec, flags, reason, now=0, up_for=1, failures=0, log=(), uniform=plain)
    expected = {"permanent": True, "transient": reason.abnormal, "temporary": False}[restart]
    assert isinstance(made, Restarting) is expected
    assert isinstance(made, Dropped) is not expected


def test_d01_exactly_the_limit_survives() -> None:
    """D01: the window is half open, so at 10.000 s the failure at 0 s is out of it; at 9.999 s it is not."""
    flags, spec = Supervision(intensity=3, period=10), leaf("a")
    survived = [isinstance(each, Restarting) for each in fails_at(spec, flags, 0, 1, 2, 10.0)]
    gave_up = [isinstance(each, Restarting) for each in fails_at(spec, flags, 0, 1, 2, 9.999)]
    assert (survived, gave_up) == ([True] * 4, [True, True, True, False])


def test_d02_no_double_burst_at_a_boundary() -> None:
    """D02: a window that slides gives up at the second failure of 10.1 s; a fixed one would let nine pass."""
    flags = Supervision(intensity=5, period=10)
    made = fails_at(leaf("a"), flags, 0, *[9.9] * 4, *[10.1] * 4)
    assert [isinstance(each, GivingUp) for each in made[:7]] == [False] * 6 + [True]


def test_d03_failed_starts_are_spread_by_the_delays() -> None:
    """D03: each attempt counts, and they do not use up the limit within a millisecond."""
    flags, spec = Supervision(intensity=5, period=60), leaf("a", backoff=Backoff(jitter=0.0))
    log: tuple[float, ...] = ()
    now, failures, due = 0.0, 0, []
    while isinstance(
        made := decide(spec, flags, ERROR, now=now, up_for=None, failures=failures, log=log, uniform=plain),
        Restarting,
    ):
        now, log, failures = made.due, made.log, made.failures
        due.append(now)
    assert due == [0.0, 0.25, 0.75, 1.75, 3.75]
    assert "more than 5 restarts in 60 s, last error(RuntimeError: boom)" in made.why  # type: ignore[union-attr]


def test_d05_a_limit_that_the_delays_keep_out_of_reach_is_told_at_build() -> None:
    """D05: with the numbers."""
    spec = leaf("a", backoff=Backoff(initial=1, factor=1, cap=1))
    assert unreachable(spec, Supervision(intensity=3, period=5)) is None
    said = unreachable(spec, Supervision(intensity=6, period=5))
    assert said == "intensity unreachable: 6 restarts of a take 5 s by their delays, the period is 5 s"


@given(backoffs, st.integers(0, 12), st.floats(0.1, 50))
def test_the_warning_is_right(backoff: Backoff, intensity: int, period: float) -> None:
    """A child that always fails at once gives up exactly when there was no warning."""
    steady = Backoff(backoff.initial, backoff.factor, backoff.cap, 0.0)
    spec, flags = leaf("a", backoff=steady), Supervision(intensity=intensity, period=period)
    log: tuple[float, ...] = ()
    now, failures = 0.0, 0
    for _ in range(intensity + 1):
        made = decide(spec, flags, ERROR, now=now, up_for=None, failures=failures, log=log, uniform=plain)
        if isinstance(made, Restarting):
            now, log, failures = made.due, made.log, made.failures
    assert isinstance(made, GivingUp) is (unreachable(spec, flags) is None)


def test_d08_a_permanent_error_is_not_tried_again() -> None:
    """D08: one attempt, and the window keeps its log."""
    spec = leaf("a", permanent_errors=(KeyError,))
    reason = Exit("error", KeyError("x"))
    made = decide(spec, Supervision(), reason, now=1, up_for=1, failures=0, log=(0.5,), uniform=plain)
    assert made == GivingUp("permanent error, error(KeyError: 'x')", (0.5,))


def test_d11_a_healthy_time_forgives() -> None:
    """D11: up for ``reset_after`` it restarts at once as failure 1; a second less: the delay is the cap."""
    spec = leaf("a", backoff=Backoff(cap=60, reset_after=300, jitter=0))
    flags = Supervision(intensity=100, period=10)
    for up_for, expected in ((300.0, (1000.0, 1)), (299.0, (1060.0, 11))):
        made = decide(spec, flags, ERROR, now=1000, up_for=up_for, failures=10, log=(), uniform=plain)
        assert isinstance(made, Restarting)
        assert (made.due, made.failures) == expected


def test_one_that_never_was_up_is_not_forgiven() -> None:
    """A start that hangs for longer than ``reset_after`` is no healthy time."""
    spec = leaf("a", backoff=AT_ONCE)
    made = decide(spec, Supervision(), ERROR, now=0, up_for=None, failures=2, log=(), uniform=plain)
    assert isinstance(made, Restarting)
    assert made.failures == 3


def test_d12_a_thousand_that_die_together_do_not_come_back_together() -> None:
    """D12: all delays within the bounds, spread over them, and the same again from the same seed."""
    backoff = Backoff(initial=1, factor=2, cap=60, jitter=0.2)
    runs = [[delay(backoff, 4, each) for _ in range(1000)] for each in (uniform(7), uniform(7))]
    assert runs[0] == runs[1]
    assert all(3.2 <= each <= 4.8 for each in runs[0])
    tenths = [sum(3.2 + 0.16 * n <= each < 3.36 + 0.16 * n for each in runs[0]) for n in range(10)]
    assert min(tenths) > 50


def uniform(seed: int) -> Any:
    """A seeded source of jitter."""
    return random.Random(seed).uniform


@given(backoffs, st.integers(0, 200), st.integers(0, 1000))
def test_a_delay_keeps_its_bounds(backoff: Backoff, failures: int, seed: int) -> None:
    """None for the first failure, then within jitter of initial * factor^n, never over the cap."""
    made = delay(backoff, failures, uniform(seed))
    assert 0 <= made <= backoff.cap
    if failures <= 1:
        assert made == 0
    elif failures == 2:
        low, high = (backoff.initial * (1 + sign * backoff.jitter) for sign in (-1, 1))
        assert min(low, backoff.cap) <= made <= high * (1 + 1e-12)


@given(backoffs)
def test_delays_grow(backoff: Backoff) -> None:
    """Without jitter no delay is shorter than the one before."""
    made = [delay(backoff, n, plain) for n in range(1, 100)]
    assert made == sorted(made)


@given(times, st.floats(0.1, 30), st.integers(0, 6))
def test_a_window_never_lets_more_than_the_limit_pass(
    moments: list[float], period: float, intensity: int
) -> None:
    """However failures fall, no half-open period holds more restarts than ``intensity``."""
    flags = Supervision(intensity=intensity, period=period)
    log: tuple[float, ...] = ()
    allowed = []
    for now in moments:
        made = decide(leaf("a"), flags, ERROR, now=now, up_for=0, failures=0, log=log, uniform=plain)
        assert made.log == (*window(log, now, period), now)  # type: ignore[union-attr]
        if isinstance(made, GivingUp):
            break
        log = made.log  # type: ignore[union-attr]
        allowed.append(now)
    for end in allowed:
        assert sum(end - period < at <= end for at in allowed) <= intensity


@given(times, st.floats(0, 100), st.floats(0.1, 30))
def test_the_window_is_half_open(moments: list[float], now: float, period: float) -> None:
    """What is exactly ``period`` old is out, what is younger is in, and order is kept."""
    log = [at for at in moments if at <= now]
    kept = window([now - period, *log], now, period)
    assert kept == tuple(at for at in log if at > now - period)


def test_d13_nothing_asks_the_wall_clock() -> None:
    """D13: time is an argument, so that a clock set back a day has no effect."""
    early, late = (fails_at(leaf("a"), Supervision(), at, at + 1) for at in (0.0, -86400.0))
    assert [made.due - made.log[0] for made in early] == [made.due - made.log[0] for made in late]  # type: ignore[union-attr]
