"""The program under test: opens the root, works on it from many threads, crashes its own actors.

``python -m soak.agent PLAN`` with the plan as JSON. It says ``ready`` on standard output once its workers
are at it, and ends in order when its standard input ends: the workers, what every QEMU says, the root.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path

import msgspec

import embervirt as libvirt
from embervirt.actors.messages import Numbered
from embervirt.supervisor.report import ChildFailed, Node
from guest.domain import Console, uri, wait_until
from guest.image import READY
from soak.history import Writer
from soak.workload import CALLS, COUNTER, Session, Work, Worker, names, recorded

JOIN = 90.0
"""Seconds in which every call ends; the longest deadline of one is 60."""


class Plan(msgspec.Struct, frozen=True):
    """``since``: number of the last event that was heard. ``crash`` and ``reopen``: mean seconds between two,
    0 for never. ``pause``: mean seconds between two calls of a thread. ``first``: id of the first call.
    ``boot``: the counter is to be started."""

    root: str
    history: str
    seed: str
    threads: int
    domains: int
    since: int
    crash: float
    reopen: float
    pause: float
    first: int = 1
    boot: bool = False


class Agent:
    """All that one program does."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.writer = plan, Writer(Path(plan.history), plan.first)
        self.over, self.seq = threading.Event(), plan.since
        self.random = random.Random(f"{plan.seed} agent")
        session = Session(uri(Path(plan.root)), [*names(plan.domains), COUNTER], self.writer)
        self.work = Work(session, names(plan.domains), self.writer, self.over, plan.pause)
        self.listener = self._listen()

    # Events.

    def _listen(self) -> threading.Thread:
        subscription = self.work.session.conn.root.subscribe(self.seq)

        def listen() -> None:
            with subscription:
                while (received := subscription.get()) is not None:
                    self._heard(received)

        thread = threading.Thread(target=listen, name="listener", daemon=True)
        thread.start()
        return thread

    def _heard(self, received: object) -> None:
        if not isinstance(received, Numbered):
            self.writer.wrong(f"events were lost: {received}")
            return
        self.seq = received.seq
        event, kind = received.event(), received.kind.rpartition(".")[2]
        if isinstance(event, ChildFailed) and event.decision.startswith("give up"):
            self.writer.wrong(f"a supervisor gave up: {event}")
        fields = {"run": "id", "name": "name", "event": "event", "detail": "detail", "why": "why"}
        found = {ours: getattr(event, theirs) for ours, theirs in fields.items() if hasattr(event, theirs)}
        self.writer.told(received.seq, kind, found)

    # Faults.

    def disturb(self) -> None:
        """Until it is over: crashes of actors, and from time to time a close and open of the root."""
        plan, choose = self.plan, self.random
        reopen_at = self._next_reopen()
        while not self.over.wait(choose.expovariate(1 / plan.crash) if plan.crash else 0.5):
            if time.monotonic() > reopen_at:
                self.reopen()
                reopen_at = self._next_reopen()
            elif plan.crash:
                self.crash()

    def _next_reopen(self) -> float:
        mean = self.plan.reopen
        return time.monotonic() + self.random.uniform(0.5 * mean, 1.5 * mean) if mean else float("inf")

    def crash(self) -> None:
        """One actor, any."""
        root = self.work.session.conn.root
        path = self.random.choice(actors(root.tree()))
        self.writer.fault("crash", path)
        root.crash(path, RuntimeError("crashed by the soak"))

    def reopen(self) -> None:
        """The last close of the root, and another open, while guests run and threads call."""
        begun = self.writer.fault("reopen")
        self.work.session.conn.close()
        self.listener.join()
        self.work.session = Session(
            uri(Path(self.plan.root)), [*names(self.plan.domains), COUNTER], self.writer
        )
        self.listener = self._listen()
        self.writer.fault("reopen", since=begun)

    # The end.

    def finish(self, threads: list[threading.Thread]) -> None:
        """In order: every call ends, every QEMU says what it does, the root closes."""
        self.over.set()
        deadline = time.monotonic() + JOIN
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.writer.wrong(f"{thread.name} did not end")
        session = self.work.session
        wait_until(lambda: settled(session.conn))
        for name in session.handles:
            for op in ("state", "id", "ask"):
                recorded(self.writer, op, name, partial(CALLS[op][1], session, name))
        session.conn.close()
        self.listener.join()

    def boot(self) -> None:
        """The counter, up to its first tick."""
        session = self.work.session
        recorded(self.writer, "create", COUNTER, session.handles[COUNTER].create)
        Console(Path(self.plan.root), COUNTER).until(READY)

    def report(self, failed: threading.ExceptHookArgs) -> None:
        """A thread, of ours or of embervirt's, ended by an exception."""
        kind, error, trace, thread = failed
        text = "".join(traceback.format_exception(kind, error, trace))
        self.writer.wrong(f"thread {thread and thread.name} ended: {text}")


def actors(node: Node, above: str = "") -> list[str]:
    """Paths of the actors below a node."""
    found = []
    for child in node.children:
        path = f"{above}/{child.id}".removeprefix("/")
        found += [path] if child.kind == "actor" else actors(child, path)
    return found


def all_up(node: Node) -> bool:
    """It and all below it."""
    return node.state == "up" and all(map(all_up, node.children))


def settled(conn: libvirt.virConnect) -> bool:
    """Every actor is up, and exactly the guests that run have one."""
    tree = conn.root.tree()
    runs = [int(path.removeprefix("guests/").partition("-")[0]) for path in actors(tree) if "guests/" in path]
    return all_up(tree) and sorted(runs) == conn.listDomainsID()


def main() -> None:
    """Until standard input ends, or SIGKILL."""
    agent = Agent(msgspec.json.decode(sys.argv[1], type=Plan))
    plan, threading.excepthook = agent.plan, agent.report
    if plan.boot:
        agent.boot()
    threads: list[threading.Thread] = [
        Worker(agent.work, f"{plan.seed} {number}") for number in range(plan.threads)
    ]
    threads.append(threading.Thread(target=agent.disturb, name="nemesis", daemon=True))
    for thread in threads:
        thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    agent.finish(threads)


if __name__ == "__main__":
    main()
