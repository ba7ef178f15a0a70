"""Named fault points: what can go wrong in embervirt, made to go wrong by a test, ours or yours.

::

    with faults.inject("file.synced", faults.error(errno.ENOSPC), where={"path": "*.xml"}) as injected:
        ...
    assert injected.hits == 1

For tests only. Off, a point costs one look at ``armed``. The points are in ``POINTS``; docs/faults.md has
the table, and examples. ``EMBERVIRT_FAULTS`` switches them on in a program that a test starts.
"""

from __future__ import annotations

import os
import signal as signals
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from embervirt import world
from embervirt.faults.effects import (
    Effect,
    Injected,
    crash,
    cut,
    delay,
    duplicate,
    error,
    failure,
    hang,
    kill,
    kill_qemu,
    lose,
    signal,
    stop_qemu,
    torn,
)
from embervirt.faults.environment import VARIABLE, effect, entries
from embervirt.faults.injection import Injection
from embervirt.faults.points import POINTS, Point

__all__ = [
    "POINTS",
    "VARIABLE",
    "Effect",
    "Injected",
    "Injection",
    "Point",
    "crash",
    "cut",
    "delay",
    "duplicate",
    "effect",
    "error",
    "hang",
    "hit",
    "inject",
    "kill",
    "kill_qemu",
    "lose",
    "record",
    "signal",
    "skewed",
    "stop_qemu",
    "torn",
]

armed = False
"""Whether any injection or record is on: what is asked before a point is passed at all."""

_lock = threading.Lock()
_injections: tuple[Injection, ...] = ()
_records: tuple[Counter[str], ...] = ()


def hit(name: str, **about: Any) -> bool:
    """Pass a point: carries out what was injected there; False when what comes next shall not be done.

    ``about`` says what is in hand: what the point's table says, for ``where``; and for effects that need
    them ``again`` (does it once more), ``tear`` (writes the first so many bytes), ``session`` (has ``shut``)
    and ``pid``. LookupError for a name that is not in ``POINTS``.
    """
    if name not in POINTS:
        raise LookupError(f"no fault point is called {name!r}: it has to be in embervirt.faults.POINTS")
    with _lock:
        records, injections = _records, _injections
        for counts in records:
            counts[name] += 1
    fire = (each for each in injections if each.point == name and each.fires(about))
    done = [_carry_out(injection, injection.effect, about) for injection in fire]
    return all(done)


def _carry_out(injection: Injection, effect: Effect, about: dict[str, Any]) -> bool:
    match effect.kind:
        case "lose":
            return False
        case "duplicate":
            about["again"]()
        case "delay":
            injection.pause(effect.number)
        case "hang":
            injection.pause(None)
        case "kill":
            os.kill(os.getpid(), signals.SIGKILL)
        case "signal":
            os.kill(about["pid"], int(effect.number))
        case "cut":
            about["session"].shut()
            return False
        case "torn":
            about["tear"](int(effect.number))
            assert effect.then is not None
            return _carry_out(injection, effect.then, about)
        case _:
            raise failure(effect, {"point": injection.point, **about})
    return True


@contextmanager
def inject(
    point: str,
    effect: Effect,
    *,
    after: int = 0,
    times: int | None = None,
    where: Mapping[str, str] | None = None,
    probability: float = 1.0,
    seed: int = 0,
) -> Iterator[Injection]:
    """While this lasts, ``effect`` happens whenever ``point`` is passed, in any thread.

    Of the passes that match ``where`` (glob patterns by name, ``{"path": "*.xml"}``), the first ``after`` are
    let through; it happens at most ``times`` times, and each time only with ``probability``, in a sequence
    that ``seed`` decides. At its end, whoever it holds goes on. Several may be on, also at one point.
    Raises ValueError for a point, an effect or a name that is not there, with what would be accepted.
    """
    injection = Injection(point, effect, after, times, dict(where or {}), probability, seed)
    _switch(add=(injection,))
    try:
        yield injection
    finally:
        _switch(remove=(injection,))
        injection.release()


@contextmanager
def record() -> Iterator[Counter[str]]:
    """Counts, while this lasts, how often each point is passed, in any thread."""
    counts: Counter[str] = Counter()
    _switch(add=(counts,))
    try:
        yield counts
    finally:
        _switch(remove=(counts,))


def _switch(
    add: tuple[Injection | Counter[str], ...] = (), remove: tuple[Injection | Counter[str], ...] = ()
) -> None:
    global armed, _injections, _records  # noqa: PLW0603 - one switch for the process is what this is
    with _lock:
        kept = [each for each in (*_injections, *_records) if not any(each is gone for gone in remove)]
        now = [*kept, *add]
        _injections = tuple(each for each in now if isinstance(each, Injection))
        _records = tuple(each for each in now if isinstance(each, Counter))
        armed = bool(now)


@contextmanager
def skewed(*, wall: float = 0.0, monotonic: float = 0.0) -> Iterator[None]:
    """While this lasts, the clocks are so many seconds off: ``wall`` may jump back, ``monotonic`` may not."""
    if monotonic < 0:
        raise ValueError(f"the monotonic clock cannot go back: {monotonic:g} s, expected 0 or more")
    real_wall, real_monotonic = world.wall, world.monotonic
    names = {"wall": lambda: real_wall() + wall, "monotonic": lambda: real_monotonic() + monotonic}
    with world.substituted(**names):
        yield


_switch(add=tuple(Injection(*each) for each in entries(os.environ.get(VARIABLE, ""))))
