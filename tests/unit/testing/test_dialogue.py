"""The actions of a script, in the order of their effects: pure, without a process."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from embervirt.testing import actions as can
from embervirt.testing.actions import Action
from embervirt.testing.dialogue import Dialogue, Effect
from embervirt.testing.machine import Machine
from embervirt.testing.replies import Facts
from embervirt.testing.script import Script

STOP = ("event", {"event": "STOP"})
DONE = ("reply", {"return": {}, "id": 1})
END = ("exit", 0, True)
SHUTDOWN = ("event", {"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-qmp-quit"}})


def dialogue(step: str, *actions: Action) -> Dialogue:
    """Of a guest that runs, with a client, and one rule."""
    script = Script("a")
    done = [(action.name, dict(action.arguments)) for action in actions]
    script.load([{"id": 1, "step": step, "guest": None, "after": 0, "times": None, "do": done}])
    made = Dialogue(Machine(Facts(stopped=False)), script)
    made.machine.negotiated = True
    return made


def effects(of: Iterator[Effect]) -> list[Effect]:
    """All, with those of the background in their place."""
    return [("background", list(each[1])) if each[0] == "background" else each for each in of]


def said(name: str, **data: Any) -> Effect:
    """An event."""
    return "event", {"event": name, "data": data} if data else {"event": name}


def reply(**message: Any) -> Effect:
    """With the id of the request."""
    return "reply", message | {"id": 1}


NO = {"class": "GenericError", "desc": "no"}
TABLE: dict[str, tuple[list[Action], list[Effect]]] = {
    "nothing": ([], [STOP, DONE]),
    "executes": ([can.executes(), can.waits(1)], [STOP, ("wait", 1), DONE]),
    "answers": ([can.answers(), can.waits(1)], [STOP, DONE, ("wait", 1)]),
    "silent": ([can.silent()], [STOP]),
    "ignores": ([can.ignores()], []),
    "refuses": ([can.refuses("no")], [reply(error=NO)]),
    "refuses, of a class": (
        [can.refuses("no", "DeviceNotFound")],
        [reply(error=NO | {"class": "DeviceNotFound"})],
    ),
    "returns": ([can.returns([1])], [reply(**{"return": [1]})]),
    "wrong id": ([can.wrong_id()], [STOP, ("reply", {"return": {}, "id": "of nobody"})]),
    "without id": ([can.without_id()], [STOP, ("reply", {"return": {}})]),
    "twice": ([can.twice()], [STOP, DONE, DONE]),
    "huge": ([can.huge(1 / 262144)], [STOP, reply(**{"return": "xxxx"})]),
    "garbage": ([can.garbage(b"\xff\n")], [STOP, ("bytes", b"\xff\n")]),
    "waits": ([can.waits(2.5)], [("wait", 2.5), STOP, DONE]),
    "hangs": ([can.hangs()], [("hang", None), STOP, DONE]),
    "emits": ([can.emits("RESET", {"a": 1}, count=2)], [said("RESET", a=1)] * 2 + [STOP, DONE]),
    "emits after": ([can.answers(), can.emits("RESET")], [STOP, DONE, said("RESET")]),
    "emits at a rate": (
        [can.emits("RESET", count=2, per_second=50)],
        [("background", [said("RESET"), ("pace", 0.02)] * 2), STOP, DONE],
    ),
    "prints": ([can.prints("ab", times=2, to="stdout")], [("print", 1, b"abab"), STOP, DONE]),
    "disconnects": ([can.disconnects()], [STOP, ("disconnect",)]),
    "ignores and disconnects": ([can.ignores(), can.disconnects()], [("disconnect",)]),
    "closes monitor": ([can.closes_monitor()], [STOP, ("close",)]),
    "exits": ([can.exits(3)], [("exit", 3, False), STOP, DONE]),
    "dies": ([can.dies()], [("kill", 9), STOP, DONE]),
}


@pytest.mark.parametrize(("actions", "expected"), TABLE.values(), ids=TABLE.keys())
def test_an_action_has_these_effects(actions: list[Action], expected: list[Effect]) -> None:
    """At a command; an effect that ends the process is followed by what nobody performs."""
    made = dialogue("stop", *actions)
    assert effects(made.requested({"execute": "stop", "id": 1})) == expected


def test_every_action_is_in_the_table() -> None:
    """But for what the guest does, which is tested below."""
    makers = {name for name, each in vars(can).items() if callable(each) and name[0].islower()}
    makers -= {"dataclass", "field", "guest_shuts_down", "guest_resets", "guest_panics", "disk_fails"}
    tested = {action.name for actions, _ in TABLE.values() for action in actions}
    assert makers == tested


@pytest.mark.parametrize(
    ("action", "events", "status"),
    [
        (can.guest_resets(), [said("RESET", guest=True, reason="guest-reset")], "running"),
        (can.guest_panics(), [said("GUEST_PANICKED", action="pause"), STOP], "guest-panicked"),
        (
            can.guest_shuts_down(),
            [said("SHUTDOWN", guest=True, reason="guest-shutdown"), STOP],
            "shutdown",
        ),
    ],
)
def test_what_the_guest_does_comes_after_the_reply(action: Action, events: list[Effect], status: str) -> None:
    """A guest that is not running does nothing."""
    made = dialogue("system_powerdown", action)
    done = [said("POWERDOWN"), DONE]
    assert effects(made.requested({"execute": "system_powerdown", "id": 1})) == done + events
    assert made.machine.status == status
    if status != "running":
        assert effects(made.requested({"execute": "system_powerdown", "id": 1})) == done


def test_a_disk_that_fails_pauses_the_guest() -> None:
    """With an event that names the error."""
    made = dialogue("cont", can.disk_fails())
    answer, error, stop = effects(made.requested({"execute": "cont", "id": 1}))
    assert (answer, stop, made.machine.status) == (DONE, STOP, "io-error")
    assert (error[1]["event"], error[1]["data"]["nospace"]) == ("BLOCK_IO_ERROR", True)


def test_the_end_is_a_step() -> None:
    """After quit, which is answered, and once only."""
    made = dialogue("exit", can.waits(2))
    quits = made.requested({"execute": "quit", "id": 1})
    assert list(islice(quits, 3)) == [SHUTDOWN, DONE, ("wait", 2)]
    assert effects(made.signalled()) == []
    assert effects(quits) == [END]


def test_a_signal_is_a_step() -> None:
    """Which may be ignored."""
    event = said("SHUTDOWN", guest=False, reason="host-signal")
    assert effects(dialogue("stop").signalled()) == [event, END]
    assert effects(dialogue("SIGTERM", can.ignores()).signalled()) == []
    assert effects(dialogue("exit", can.exits(3)).signalled())[:2] == [event, ("exit", 3, False)]


def test_spawn_and_greeting_are_steps() -> None:
    """The monitor is served after the first, the client heard after the second."""
    assert effects(dialogue("spawn", can.waits(1)).spawned()) == [("wait", 1), ("serve",)]
    assert effects(dialogue("greeting", can.ignores()).connected()) == []
    [(kind, greeting)] = effects(dialogue("stop").connected())
    assert (kind, greeting["QMP"]["version"]["qemu"]) == ("reply", {"major": 7, "minor": 2, "micro": 0})


def test_a_new_client_negotiates_anew() -> None:
    """Whatever the one before it did; what that one had asked for is still done."""
    made = dialogue("stop")
    before = made.requested({"execute": "stop", "id": 1})
    effects(made.connected())
    assert effects(before) == [STOP, DONE]
    [(_, refused)] = effects(made.requested({"execute": "stop", "id": 1}))
    assert refused["error"]["class"] == "CommandNotFound"


def test_a_prompt_does_what_it_says() -> None:
    """No step goes on after it."""
    made = dialogue("stop")
    assert effects(made.prompted([("emits", {"name": "X", "data": {}, "count": 1, "per_second": None})])) == [
        said("X")
    ]
