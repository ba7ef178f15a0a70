"""A call that Ctrl-C, or another signal's handler, interrupts: it ends there, and nobody else's does."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from embervirt.actors import bus
from embervirt.actors.bus import Bus
from unit.actors.harness import Asking, Echo, staged

PLACES = (bus.__file__.removesuffix("bus.py"), threading.__file__)
"""Where a call is at work, with what it uses of Python's that is written in Python."""


class Interrupted(Exception):
    """What the handler of a signal raises, in the main thread, between any two steps."""


def interrupted(bus: Bus, after: int) -> bool:
    """Makes a call on this thread and interrupts it after so many steps; False when it took fewer.

    CPython looks for signals where a function begins and where one of C has returned, not between others.
    """
    left = after

    def step(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(PLACES):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise Interrupted

    sys.setprofile(step)
    try:
        return bus.call("server", Echo("mine")) != "mine"
    except Interrupted:
        return True
    finally:
        sys.setprofile(None)


def test_n03_a_call_that_is_interrupted_at_any_step_holds_up_nobody() -> None:
    """No lock stays held, no socket is used again that holds half a message, and its answer is nobody's."""
    with staged() as stage:
        stage.bus.routes.admit = stage._admit_itself  # type: ignore[method-assign]
        stage.start()
        steps = 0
        while interrupted(stage.bus, steps):
            assert Asking(stage.bus, "server", Echo("another's")).outcome() == "another's", steps
            steps += 1
        assert steps > 30
        assert stage.bus.call("server", Echo("last")) == "last"
