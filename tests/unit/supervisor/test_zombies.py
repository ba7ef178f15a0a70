"""What a generation that was given up still does has no effect."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from embervirt import disk
from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.table import Table
from embervirt.drivers.root import files
from embervirt.errors import OutcomeUnknown
from embervirt.supervisor.watch import Limits
from unit.actors.harness import PATIENCE, Asking, Echo, Happened
from unit.supervisor.hanging import Do, Doer, Gate, doer, no_zombies, quick_disk, told, until
from unit.supervisor.real import Root, wait_for


@pytest.mark.parametrize("where", ["before", "within"])
def test_g04_a_zombie_that_writes_late_never_replaces_its_successors_content(
    quick: Root, gate: Gate, tmp_path: Path, where: str
) -> None:
    """Blocked before the write, or between the check of its generation and the rename."""
    path, real, outcomes = tmp_path / "state", disk.rename, []

    def rename(old: Path, new: Path) -> None:
        if threading.current_thread() is zombie[0] and where == "within":
            gate()
        real(old, new)

    def write(actor: Doer) -> str:
        text = f"of generation {actor.context.generation}"
        if actor.context.generation == 1:
            zombie.append(threading.current_thread())
            fences.append(actor.context.fence)
            if where == "before":
                gate()
        try:
            files.write(path, text.encode(), durable=True, fence=actor.context.fence)
        except BaseException as error:
            outcomes.append(error)
            raise
        return text

    zombie: list[threading.Thread] = []
    fences: list[Fence] = []
    quick.limits = Limits(operation=0.1, grace=0.1, every=0.01, zombies=3)
    with quick_disk(), disk.substituted(rename=rename):
        sup = quick.open(doer(quick, "a", write, write))
        assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
        assert gate.reached.is_set()
        if where == "within":  # the successor may not begin before what hangs in the kernel is over
            gate.opened.set()
        assert quick.bus.call("a", Do()) == "of generation 2"
        counted = fences[0].refused
        refused = wait_for(sup, "a", lambda node: node).zombies
        gate.opened.set()
        zombie[0].join(PATIENCE)
    assert path.read_text() == "of generation 2"
    assert [type(each) for each in outcomes] == ([Fenced] if where == "before" else [])
    assert where == "within" or fences[0].refused == counted + 1
    assert len(refused) == (where == "before")
    assert list(tmp_path.iterdir()) == [path]


def test_g04_a_successor_does_not_begin_while_a_commit_hangs(quick: Root, gate: Gate, tmp_path: Path) -> None:
    """Its start fails and is tried again; meanwhile the supervisor answers and others work."""

    def deed(actor: Doer) -> str:
        with actor.context.fence.guard():
            return gate()

    sup = quick.open(doer(quick, "a", deed), quick.child("b"))
    assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
    assert quick.bus.call("b", Echo("x")) == "x"
    failed = wait_for(sup, "a", lambda node: node.exits[1:])
    assert "generation 1 of a was given up and hangs in a write" in failed[0].reason
    gate.opened.set()
    assert quick.bus.call("a", Do()) == "well"


def heard(root: Root, traced: Any, word: str) -> list[bytes]:
    """What kinds of messages there were up to the answer to a question of ours."""
    assert root.bus.call("b", Echo(word)) == word
    kinds = list[bytes]()
    while True:
        assert traced.poll(int(PATIENCE * 1000))
        kind, *_, body = traced.recv_multipart()
        kinds.append(kind)
        if kind == b"reply" and word.encode() in body:
            return kinds


def test_g05_what_a_zombie_sends_late_reaches_nobody(quick: Root, gate: Gate) -> None:
    """Neither a command, an event, a record nor a reply; all is counted; the caller had its answer before."""
    table: Table[str, str] = Table()
    refused: list[str] = []

    def late(actor: Doer) -> str:
        gate()
        for act in (
            lambda: actor.call("b", Echo("late")),
            lambda: actor.publish(Happened(1)),
            lambda: table.put(actor.context.fence, "k", "late"),
        ):
            with pytest.raises(Fenced) as caught:
                act()
            refused.append(str(caught.value))
        over.append(actor.thread)
        return "late"

    over: list[threading.Thread] = []
    traced = quick.bus.trace()
    quick.open(quick.child("b"), doer(quick, "a", late, uses=frozenset({"b"})))
    asked = Asking(quick.bus, "a", Do())
    assert isinstance(asked.outcome(), OutcomeUnknown)
    assert quick.bus.call("a", Do()) == "well"
    heard(quick, traced, "before")
    gate.opened.set()
    until(lambda: over)
    over[0].join(PATIENCE)
    assert refused == ["internal error: generation 1 of a was given up"] * 3
    assert (table.get("k"), told(quick, Happened)) == (None, [])
    assert heard(quick, traced, "after") == [b"request", b"reply"], "none but this one"
    quick.bus.release(traced)
    until(lambda: no_zombies(quick))
