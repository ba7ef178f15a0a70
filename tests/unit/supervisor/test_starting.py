"""Starts and restart types, with real actors on a real bus."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.exits import IGNORED
from embervirt.actors.fence import Fenced
from embervirt.actors.table import Table
from embervirt.errors import ActorUnavailable, InternalError, Quarantined, libvirtError
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.report import failed
from embervirt.supervisor.spec import Restart
from unit.actors.harness import PATIENCE, Asking, Count, Echo, Fail, Happened, Hold, Server
from unit.supervisor.real import ROOT, SLOW, Root, settled, wait_for
from unit.supervisor.world import AT_ONCE, World, leaf, supervisor


@pytest.mark.parametrize("state", ["running", "restarting", "stopped"])
def test_a01_a_second_start_of_one_id_makes_no_second_child(root: Root, state: str) -> None:
    """One that runs, or waits for its restart, is what the caller gets; one that was stopped stays so."""
    sup = root.open(root.child("a"), root.child("b", backoff=SLOW))
    if state == "restarting":
        root.worlds["b"].starts = [ValueError("still no disk")]
        root.crash("root", "b")
        wait_for(sup, "b", lambda node: node.state == "restarting" and node.generation == 2)
    if state == "stopped":
        sup.stop_child(("root", "b")).result(PATIENCE)
    first, other = root.worlds["b"], root.child("b")
    started = sup.start_child(ROOT, other)
    settled(sup)
    if state == "running":
        started.result(PATIENCE)
    if state == "restarting":
        assert not started.done()
    if state == "stopped":
        assert isinstance(started.exception(PATIENCE), Quarantined)
    assert root.worlds["b"].setups == []
    assert first.setups == ([1, 2] if state == "restarting" else [1])
    assert [each.id for each in sup.picture().children] == ["a", "b"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("late", [False, True])
def test_a05_a_start_that_finds_nothing_to_do_is_neither_repeated_nor_a_failure(
    root: Root, restart: Restart, late: bool
) -> None:
    """The specification of a permanent child is kept without a child; that of a temporary one goes."""

    class Idle(Actor):
        def setup(self) -> None:
            setups.append(self.context.generation)
            self.finish(IGNORED)

    setups: list[int] = []
    idle = actor_child("idle", Idle, root.bus, restart=restart, backoff=AT_ONCE)
    sup = root.open(root.child("a"), *(() if late else (idle,)), root.child("z"))
    if late:
        sup.start_child(ROOT, idle).result(PATIENCE)
    with pytest.raises(ActorUnavailable):
        root.bus.call("idle", Echo("x"))
    settled(sup)
    kept = [each.state for each in sup.picture().children if each.id == "idle"]
    assert (setups, kept) == ([1], [] if restart == "temporary" else ["down"])
    assert [root.bus.call(id_, Echo(id_)) for id_ in "az"] == ["a", "z"]
    assert (sup.picture().state, root.failed.empty()) == ("up", True)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_a09_a_restart_that_raises_what_ends_programs_is_a_failed_start(
    root: Root, error: BaseException
) -> None:
    """It is tried again; its sibling runs on, in the same generation."""
    root.open(root.child("a"), root.child("b"))
    root.worlds["b"].starts = [error]
    root.crash("root", "b")
    assert root.bus.call("b", Echo("x")) == "x"
    assert (root.generation("a"), root.worlds["b"].setups) == (1, [1, 2, 3])
    [_, failed] = wait_for(root.supervisor, "b", lambda node: node.exits)
    assert failed.reason.startswith(f"start_failed({type(error).__name__}")


def test_a10_a_half_made_start_releases_its_socket_and_its_file(root: Root, tmp_path: Path) -> None:
    """Both are closed before the next attempt begins, which can therefore open them again."""
    held: list[list[str]] = []
    sockets: list[socket.socket] = []

    class Holder(Actor):
        def setup(self) -> None:
            held.append([each.path for each in psutil.Process().open_files() if str(tmp_path) in each.path])
            self.resources.enter_context((tmp_path / "exclusive").open("x"))
            self.resources.callback((tmp_path / "exclusive").unlink)
            listening = self.resources.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(str(tmp_path / "socket"))
            sockets.append(listening)
            self.resources.callback((tmp_path / "socket").unlink)
            if len(held) == 1:
                raise ValueError("half made")

        @handles(Echo)
        def echo(self, request: Echo) -> str:
            return request.text

    sup = root.open(root.child("a"))
    with pytest.raises(InternalError, match="half made"):
        sup.start_child(ROOT, actor_child("h", Holder, root.bus)).result(PATIENCE)
    sup.start_child(ROOT, actor_child("h", Holder, root.bus)).result(PATIENCE)
    assert root.bus.call("h", Echo("x")) == "x"
    assert held == [[], []]
    assert [each.fileno() == -1 for each in sockets] == [True, False]


def test_b10_what_refers_to_the_old_generation_has_no_effect(root: Root) -> None:
    """Same id, generation + 1, a new mailbox; the old generation, and messages to it, are refused."""
    table: Table[str, str] = Table()
    root.open(root.child("a"))
    held = Asking(root.bus, "a", Hold())
    old = root.held("a")
    table.put(old.context.fence, "k", "old")
    pending = root.bus.routes.address("a")
    root.crash("root", "a")
    root.worlds["a"].gate.set()
    held.outcome()
    wait_for(root.supervisor, "a", lambda node: node.generation == 2 and node.state == "up")
    assert root.bus.call("a", Count()) == 1
    assert (pending, root.bus.routes.address("a")) == (b"a#1", b"a#2")
    assert root.worlds["a"].released.get(timeout=PATIENCE) == 1
    for act in (
        lambda: table.put(old.context.fence, "k", "late"),
        lambda: old.publish(Happened(1)),
        lambda: old.call("a", Echo("late")),
    ):
        with pytest.raises(Fenced, match="generation 1 of a was given up"):
            act()
    old.post(RuntimeError("late"))
    assert root.bus.call("a", Count()) == 2
    assert (table.get("k"), root.generation("a")) == ("old", 2)


def test_b11_one_that_ends_before_it_is_ready_is_a_failed_start(root: Root) -> None:
    """Between its thread's start and its readiness: reported as such, and its callers wait for the next."""

    class Hasty(Server):
        def setup(self) -> None:
            super().setup()
            if self.context.generation == 2:
                raise SystemExit

    world = root.child("a")  # makes the world
    spec = actor_child("a", lambda context: Hasty(context, root.worlds["a"]), root.bus, backoff=AT_ONCE)
    assert world.id == spec.id
    root.open(spec)
    root.crash("root", "a")
    assert root.bus.call("a", Echo("x")) == "x"
    exits = wait_for(root.supervisor, "a", lambda node: len(node.exits) == 2 and node.exits)
    assert [(each.generation, each.reason.partition("(")[0]) for each in exits] == [
        (1, "error"),
        (2, "start_failed"),
    ]


def test_b12_one_that_fails_again_while_it_ends_is_one_exit(root: Root) -> None:
    """An error, then a release that raises: one exit with both causes, one restart."""

    class Sore(Actor):
        def __init__(self, context: Context) -> None:
            super().__init__(context)
            self.first = context.generation == 1

        def setup(self) -> None:
            if self.first:
                self.resources.callback(self.hurt)

        def hurt(self) -> None:
            raise OSError("release")

        @handles(Fail)
        def fail(self, _: Fail) -> None:
            raise ValueError("boom")

        @handles(Echo)
        def echo(self, request: Echo) -> str:
            return request.text

    root.open(actor_child("s", Sore, root.bus, backoff=AT_ONCE))
    with pytest.raises(libvirtError):
        root.bus.call("s", Fail("error"))
    assert root.bus.call("s", Echo("x")) == "x"
    [only] = wait_for(root.supervisor, "s", lambda node: node.exits)
    assert only.reason == "error(error(OSError: release) after error(ValueError: boom))"
    assert root.generation("s") == 2


def test_a07_a_slow_start_lives_as_long_as_it_reports_progress() -> None:
    """Three times its limit, with a word each time; a limit after the last word it is given up."""
    tree = World(supervisor("root", [leaf("a"), leaf("b", start_timeout=2)]))
    tree.slow = {"b"}
    tree.kill("b")
    tree.said()
    for now in (1.9, 3.8, 5.7):
        tree.wait(now)
        tree.tree.progress(tree.at("b"), 2, now)
        assert tree.go().phases("a", "b") == ["up", "starting"]
    tree.slow.clear()
    assert tree.wait(7.699).said() == []
    assert tree.wait(7.7).said() == ["abandon b2", "start b3"]
    assert failed(tree.reports[-1]).reason == "start_timeout"


def test_a07_progress_of_another_generation_is_not_heard() -> None:
    """Nor that of one that is up, or of a zombie."""
    tree = World(supervisor("root", [leaf("b", start_timeout=2)]))
    tree.slow = {"b"}
    tree.kill("b").wait(1)
    tree.tree.progress(tree.at("b"), 1, 1.0)
    assert tree.wait(1.999).phases("b") == ["starting"]
    tree.slow.clear()
    assert tree.wait(2).generations("b") == [3]
    tree.tree.progress(tree.at("b"), 3, 2.0)
    assert tree.wait(100).phases("b") == ["up"]


def test_a07_an_actor_reports_progress_from_its_setup(root: Root) -> None:
    """Its start takes twice its limit and ends well; its sibling, which says nothing, is given up."""
    words = threading.Semaphore(0)

    class Slow(Actor):
        def setup(self) -> None:
            for _ in range(5):
                assert words.acquire(timeout=PATIENCE)
                self.progress()

        @handles(Echo)
        def echo(self, request: Echo) -> str:
            return request.text

    sup = root.open(supervisor("guests", (), "dynamic"))
    slow = actor_child("slow", Slow, root.bus, start_timeout=1.0)
    silent = root.child("silent", start_timeout=1.0)
    root.worlds["silent"].blocked_starts = 1
    began = time.monotonic()
    started = sup.start_child(("root", "guests"), slow)
    stuck = sup.start_child(("root", "guests"), silent)
    root.held("silent")
    for n in range(1, 6):
        assert not started.done()
        while time.monotonic() < began + 0.4 * n:
            settled(sup)
        words.release()
    started.result(PATIENCE)
    assert time.monotonic() - began >= 2.0
    with pytest.raises(InternalError, match="silent: start_timeout"):
        stuck.result(PATIENCE)
    assert root.bus.call("slow", Echo("x")) == "x"
