"""What a fake QEMU can be told to do at a step, for ``FakeQemu.on`` and ``FakeQemu.now``.

The actions of a rule are done in their order. When none of them says what becomes of the step itself, it
goes on, after them, as it does in QEMU: ``on("stop", waits(2))`` answers properly after two seconds,
``on("stop", answers(), waits(2), exits(1))`` answers at once and exits two seconds later.

| step | what it is | what goes on after the actions |
|---|---|---|
| ``spawn`` | the process has begun | it serves its monitor |
| ``greeting`` | a client has connected | it is greeted |
| ``stop``, ``query-status``, ... | that command has come | it is executed, events and reply are sent |
| ``*`` | any command | the same |
| ``SIGTERM`` | that signal, SIGINT or SIGHUP has come | ``SHUTDOWN`` is sent, then comes ``exit`` |
| ``exit`` | it is about to end in order | it ends, with 0 |
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Action:
    """Made by the functions of this module."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


# The step itself, as QEMU has it, at this place between other actions.


def executes() -> Action:
    """The command is executed and its events are sent; the reply comes later, or never."""
    return Action("executes")


def answers() -> Action:
    """The step goes on here and now, reply and all; what follows happens after the reply."""
    return Action("answers")


# The step, wrong.


def silent() -> Action:
    """The command is executed, its events are sent, its reply is not. Later commands are answered."""
    return Action("silent")


def ignores() -> Action:
    """The step does not happen: a command is lost, a client is never greeted, SIGTERM has no effect."""
    return Action("ignores")


def refuses(desc: str, error_class: str = "GenericError") -> Action:
    """The command is not executed; the reply is this error."""
    return Action("refuses", {"desc": desc, "error_class": error_class})


def returns(value: Any) -> Action:
    """The command, which QEMU need not have, is not executed; the reply returns ``value``, any JSON."""
    return Action("returns", {"value": value})


def wrong_id() -> Action:
    """Executed; the reply has the id of no command."""
    return Action("wrong_id")


def without_id() -> Action:
    """Executed; the reply has no id."""
    return Action("without_id")


def twice() -> Action:
    """Executed once; the reply comes twice."""
    return Action("twice")


def huge(megabytes: float) -> Action:
    """Executed; the reply returns a text of so many times 2**20 bytes."""
    return Action("huge", {"size": int(megabytes * (1 << 20))})


def garbage(data: bytes = b"\x00\xffthis is no JSON\r\n") -> Action:
    """Executed; instead of the reply, or of the greeting, come these bytes."""
    return Action("garbage", {"data": data.decode("latin-1")})


# Beside the step.


def waits(seconds: float) -> Action:
    """Goes on after that time. Commands wait behind it, as they do in QEMU; signals and events do not."""
    return Action("waits", {"seconds": seconds})


def hangs(seconds: float | None = None) -> Action:
    """The whole process does nothing for so long, or for ever; only SIGKILL ends it then."""
    return Action("hangs", {"seconds": seconds})


def emits(
    event: str, data: Mapping[str, Any] | None = None, *, count: int = 1, per_second: float | None = None
) -> Action:
    """Sends an event ``count`` times; with a rate, in the background, while it goes on with the rest."""
    given = {"name": event, "data": dict(data or {}), "count": count}
    return Action("emits", given | {"per_second": per_second})


def prints(text: str, *, times: int = 1, to: str = "stderr") -> Action:
    """Writes on ``stderr`` or ``stdout``, which are the guest's log."""
    return Action("prints", {"text": text, "times": times, "descriptor": {"stdout": 1, "stderr": 2}[to]})


# What the guest does, after the reply if there is one. A guest that does not run does nothing.


def guest_shuts_down() -> Action:
    """It powers itself off; with ``-no-shutdown`` QEMU stays, paused."""
    return Action("guest", {"deed": "shuts down"})


def guest_resets() -> Action:
    """It reboots."""
    return Action("guest", {"deed": "resets"})


def guest_panics() -> Action:
    """Its kernel panics; with ``-no-shutdown`` QEMU stays, paused."""
    return Action("guest", {"deed": "panics"})


def disk_fails() -> Action:
    """A write fails for want of space on the host; the guest is paused."""
    return Action("guest", {"deed": "disk fails"})


# Ends.


def disconnects() -> Action:
    """The command is executed, and the connection ends before the reply; the next client is served."""
    return Action("disconnects")


def closes_monitor() -> Action:
    """The same, and nobody is ever served again. The process goes on, and ends on SIGTERM."""
    return Action("closes_monitor")


def exits(status: int = 1) -> Action:
    """The process ends at once, without an event, as after a failed assertion; its socket's file stays."""
    return Action("exits", {"status": status})


def dies(by: signal.Signals = signal.SIGKILL) -> Action:
    """The process ends at once, by that signal."""
    return Action("dies", {"number": int(by)})
