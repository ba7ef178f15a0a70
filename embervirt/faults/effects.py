"""What can be made to happen at a fault point, as data."""

from __future__ import annotations

import errno as errnos
import os
import signal as signals
from collections.abc import Callable
from dataclasses import dataclass


class Injected(Exception):
    """A bug, as far as the code that meets it knows: nothing catches it, and an actor that hits it ends."""


@dataclass(frozen=True)
class Effect:
    """Made by the functions below. ``number``: errno, signal, bytes or seconds, as its ``kind`` has it."""

    kind: str
    number: float = 0
    then: Effect | None = None
    exception: BaseException | None = None


def error(code: int) -> Effect:
    """The system call fails with that errno: ``error(errno.ENOSPC)``."""
    return Effect("error", code)


def crash(exception: BaseException | None = None) -> Effect:
    """A bug: an exception that nobody expects, ``Injected`` if no other is given. An actor ends of it."""
    return Effect("crash", exception=exception)


def kill() -> Effect:
    """This process, the agent, dies at once by SIGKILL. For child programs of a test."""
    return Effect("kill")


def delay(seconds: float) -> Effect:
    """The thread waits here, and the injection's end or ``release`` ends that."""
    return Effect("delay", seconds)


def hang() -> Effect:
    """The thread waits here until ``release``, or until the injection ends."""
    return Effect("hang")


def lose() -> Effect:
    """It is not done, and whoever did it believes that it was."""
    return Effect("lose")


def duplicate() -> Effect:
    """It is done twice."""
    return Effect("duplicate")


def torn(size: int, then: Effect | None = None) -> Effect:
    """The first ``size`` bytes are written, then it fails with EIO, or with ``then``, an error or a kill."""
    then = then or error(errnos.EIO)
    if then.kind not in ("error", "kill", "crash"):
        raise ValueError(f"a torn write cannot end with {then.kind}: expected error, kill or crash")
    return Effect("torn", size, then)


def signal(number: int) -> Effect:
    """The program in hand, a guest's QEMU, gets that signal, and what was being done goes on."""
    return Effect("signal", number)


def kill_qemu() -> Effect:
    """The QEMU in hand dies by SIGKILL."""
    return signal(signals.SIGKILL)


def stop_qemu() -> Effect:
    """The QEMU in hand is stopped: it answers nobody until it gets SIGCONT, which is the test's to send."""
    return signal(signals.SIGSTOP)


def cut() -> Effect:
    """The connection to QEMU's monitor ends; QEMU goes on."""
    return Effect("cut")


MAKERS: dict[str, tuple[Callable[..., Effect], Callable[[str], float] | None]] = {
    "error": (error, lambda text: int(vars(errnos)[text])),
    "crash": (crash, None),
    "kill": (kill, None),
    "delay": (delay, float),
    "hang": (hang, None),
    "lose": (lose, None),
    "duplicate": (duplicate, None),
    "torn": (torn, int),
    "signal": (signal, lambda text: int(signals.Signals[text])),
    "cut": (cut, None),
}
"""How a test's environment spells them: kind, and what reads the text behind its colon."""


def failure(effect: Effect, about: dict[str, object]) -> BaseException:
    """The exception that ``error`` and ``crash`` raise."""
    if effect.kind == "error":
        code, path = int(effect.number), about.get("path")
        return OSError(code, os.strerror(code), *([str(path)] if path is not None else []))
    return effect.exception or Injected(f"injected at {about.get('point')}")
