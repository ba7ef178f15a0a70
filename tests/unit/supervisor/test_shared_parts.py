"""Parts that all of a root share die: it is told and shown, calls are refused, what only reads works on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import zmq

from embervirt import world
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import EventLog
from embervirt.actors.exchange import send
from embervirt.actors.table import Table
from embervirt.errors import InvalidConnection
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.report import HealthChanged
from embervirt.supervisor.watch import Limits
from unit.actors.harness import PATIENCE, Echo
from unit.supervisor.hanging import told, until
from unit.supervisor.real import Root, wait_for


def test_f08_a_bug_in_the_supervisor_refuses_changes_and_leaves_reads(root: Root) -> None:
    """The cause is in an event; tables are read as before, and the actors are still there."""
    table: Table[str, str] = Table()
    sup = root.open(root.child("a"))
    table.rows["k"] = "v"

    def bug(now: float) -> None:
        raise ZeroDivisionError

    sup.post(bug)
    assert root.failed.get(timeout=PATIENCE) == "the root failed: error(ZeroDivisionError: )"
    with pytest.raises(InvalidConnection, match="the root failed: error"):
        root.bus.call("a", Echo("x"))
    root.bus.routes.check_open()
    assert table.get("k") == "v"
    reasons = [each.reasons for each in told(root, HealthChanged)]
    assert reasons == [("supervisor: error(ZeroDivisionError: )",)]
    assert any(thread.name == "embervirt-a" for thread in threading.enumerate())


def test_f08_the_death_of_the_exchange_refuses_calls_at_once(tmp_path: Path) -> None:
    """No caller waits for an answer that cannot come; the picture and the journal have the cause."""
    begun, end = threading.Event(), threading.Event()

    def dying(front: zmq.Socket[bytes], back: zmq.Socket[bytes], *_: object) -> None:
        begun.set()
        while not end.is_set():
            for here, there in ((front, back), (back, front)):
                if here.poll(2):
                    sender, to, *rest = here.recv_multipart()
                    there.send_multipart([to, sender, *rest])
        raise MemoryError("no more")

    with world.substituted(monitored_queue=dying):
        root = Root()
        assert begun.wait(PATIENCE)
    root.limits = Limits(every=0.01)
    journal = tmp_path / "events"
    log = actor_child(EVENTS_ACTOR, lambda context: EventLog(context, journal, 100), root.bus)
    sup = root.open(log, root.child("a"))
    assert root.bus.call("a", Echo("x")) == "x"
    sock, _ = root.bus.caller()
    end.set()
    reason = "exchange: error(MemoryError: no more)"
    assert until(lambda: sup.health().degraded) == [reason]
    assert (sup.picture().state, sup.picture().why) == ("degraded", reason)
    with pytest.raises(InvalidConnection, match=r"exchange of the root failed: error\(MemoryError"):
        root.bus.call("a", Echo("x"))
    with pytest.raises(InvalidConnection, match="the exchange of the root has ended"):
        send(sock, b"a#1", b"", b"")
    root.bus.release(sock)
    root.bus.routes.check_open()
    assert wait_for(sup, "a", lambda node: node.state) == "up"
    root.close()
    assert "MemoryError: no more" in journal.read_text()
