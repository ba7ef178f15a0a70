"""Fault points: what is injected happens where, when and as often as it was said, and nothing when off."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embervirt import disk, faults, world
from embervirt.faults.environment import entries
from embervirt.faults.points import HERE, POINTS

ROOT = Path(__file__).resolve().parents[3]
HANDLES = {"again", "tear", "session", "pid"}
"""What a point hands over for effects, beside what ``where`` may ask for."""

NOSPACE = faults.error(errno.ENOSPC)
PATIENCE = 20.0


def test_nothing_is_armed_but_within_an_injection() -> None:
    """Nested ones end in any order; the last one switches off."""
    assert not faults.armed
    with faults.inject("file.synced", NOSPACE), faults.record():
        assert faults.armed
        with faults.inject("file.synced", NOSPACE):
            assert faults.armed
        assert faults.armed
    assert not faults.armed


def test_off_a_point_costs_less_than_a_tenth_of_a_microsecond() -> None:
    """One look at a name; the best of several tries, for the machine is shared."""

    def passes() -> None:
        if faults.armed:
            faults.hit("file.synced", path="x")

    tries = timeit.repeat(passes, number=20_000, repeat=20)
    assert min(tries) / 20_000 < 1e-7


# When.


def fired(count: int, **chosen: Any) -> list[int]:
    """Numbers of the passes, of so many, at which it happened."""
    with faults.inject("file.synced", NOSPACE, **chosen) as injected:
        found = [number for number in range(count) if not _passes(path=f"/a/{number}.xml")]
    assert injected.hits == len(found)
    return found


def _passes(**about: Any) -> bool:
    try:
        return faults.hit("file.synced", **about)
    except OSError:
        return False


def test_it_happens_after_so_many_passes_so_many_times() -> None:
    """By default always; ``after`` counts only what ``where`` lets through."""
    assert fired(5) == [0, 1, 2, 3, 4]
    assert fired(5, after=2) == [2, 3, 4]
    assert fired(5, after=2, times=1) == [2]
    assert fired(20, where={"path": "*1?.xml"}, after=8) == [18, 19]


def test_chance_is_as_the_seed_says() -> None:
    """The same seed, the same passes; another one, others; about as many as the probability says."""
    one = fired(1000, probability=0.3, seed=1)
    assert one == fired(1000, probability=0.3, seed=1)
    assert one != fired(1000, probability=0.3, seed=2)
    assert 200 < len(one) < 400


def test_other_points_are_left_alone() -> None:
    """Whatever is injected elsewhere."""
    with faults.inject("file.synced", NOSPACE):
        assert faults.hit("file.renamed", path="x")


def test_several_at_one_point_all_happen() -> None:
    """In the order in which they were injected."""
    with faults.inject("message.sent", faults.lose()) as lost:
        with faults.inject("message.sent", faults.crash()) as crashed, pytest.raises(faults.Injected):
            faults.hit("message.sent")
        assert (lost.hits, crashed.hits) == (1, 1)


# What.


def test_an_error_is_what_the_kernel_would_raise() -> None:
    """With the number, the words and the file."""
    with faults.inject("file.synced", NOSPACE), pytest.raises(OSError, match="No space left") as caught:
        faults.hit("file.synced", path="/a/file")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/a/file")


def test_a_crash_is_no_error_of_the_tree() -> None:
    """``Injected``, or the exception that was given."""
    with faults.inject("file.synced", faults.crash()), pytest.raises(faults.Injected, match=r"file\.synced"):
        faults.hit("file.synced")
    with faults.inject("file.synced", faults.crash(KeyError("x"))), pytest.raises(KeyError):
        faults.hit("file.synced")


def test_what_is_lost_is_not_done_and_what_is_doubled_is_done_again() -> None:
    """``hit`` tells its caller, and does the second one itself."""
    done: list[int] = []
    with faults.inject("reply.sent", faults.lose()):
        assert not faults.hit("reply.sent")
    with faults.inject("reply.sent", faults.duplicate()):
        assert faults.hit("reply.sent", again=lambda: done.append(1))
    assert done == [1]


def test_the_program_in_hand_gets_the_signal() -> None:
    """It is stopped, and killed."""
    child = subprocess.Popen(["sleep", "1000"])
    with faults.inject("process.spawned", faults.stop_qemu()):
        faults.hit("process.spawned", pid=child.pid)
    assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
    with faults.inject("process.spawned", faults.kill_qemu()):
        faults.hit("process.spawned", pid=child.pid)
    assert child.wait(PATIENCE) == -signal.SIGKILL


def test_a_monitor_is_cut() -> None:
    """Its connection ends, and what was under way is not done."""

    class Session:
        cut = False

        def shut(self) -> None:
            self.cut = True

    session = Session()
    with faults.inject("qmp.sent", faults.cut()):
        assert not faults.hit("qmp.sent", session=session)
    assert session.cut


def test_a_torn_write_writes_its_first_bytes(tmp_path: Path) -> None:
    """Then it fails, by default with EIO."""
    file = disk.create(tmp_path / "file")
    with faults.inject("file.written", faults.torn(3)), pytest.raises(OSError, match="Input/output error"):
        disk.write_all(file, b"content")
    with faults.inject("file.written", faults.torn(1, NOSPACE)), pytest.raises(OSError, match="No space"):
        disk.write_all(file, b"more")
    disk.close(file)
    assert (tmp_path / "file").read_bytes() == b"conm"


@pytest.fixture
def held() -> Iterator[tuple[faults.Injection, threading.Thread]]:
    """A thread that hangs at a point."""
    with faults.inject("actor.starting", faults.hang()) as hung:
        thread = threading.Thread(target=faults.hit, args=["actor.starting"])
        thread.start()
        hung.wait(timeout=PATIENCE)
        yield hung, thread
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_what_hangs_goes_on_when_it_is_released(held: tuple[faults.Injection, threading.Thread]) -> None:
    """And whoever comes later is not held."""
    hung, thread = held
    assert thread.is_alive()
    hung.release()
    thread.join(PATIENCE)
    assert faults.hit("actor.starting")


def test_what_hangs_goes_on_when_the_injection_ends(held: tuple[faults.Injection, threading.Thread]) -> None:
    """The fixture sees to it that it does."""
    assert held[1].is_alive()


def test_a_delay_waits_its_time_on_the_clock_of_the_world() -> None:
    """A simulation's clock, if there is one."""
    waited: list[float | None] = []

    class Condition(threading.Condition):
        def wait_for(self, predicate: Any, timeout: float | None = None) -> Any:
            waited.append(timeout)
            return False

    with world.substituted(Condition=Condition), faults.inject("message.sent", faults.delay(3600)):
        assert faults.hit("message.sent")
    assert waited == [3600]


def test_waiting_for_what_does_not_happen_ends() -> None:
    """It says what did."""
    says = r"file\.synced was hit 0 times in 0 s, not 2"
    with faults.inject("file.synced", NOSPACE) as injected, pytest.raises(TimeoutError, match=says):
        injected.wait(hits=2, timeout=0)


def test_passes_are_recorded() -> None:
    """From any thread, each by its name."""
    with faults.record() as passed:
        threads = [threading.Thread(target=faults.hit, args=["qmp.event"]) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        faults.hit("qmp.sent")
    faults.hit("qmp.sent")
    assert passed == {"qmp.event": 5, "qmp.sent": 1}


def test_clocks_are_skewed() -> None:
    """The one on the wall either way; the other one only forward."""
    with faults.skewed(wall=-3600, monotonic=100):
        ahead, behind = world.monotonic(), world.wall()
    assert 99 < ahead - world.monotonic() < 101
    assert -3601 < behind - world.wall() < -3599
    with pytest.raises(ValueError, match="cannot go back: -1 s, expected 0"), faults.skewed(monotonic=-1):
        pass


# What is refused.


@pytest.mark.parametrize(
    ("point", "effect", "where", "says"),
    [
        ("file.sinced", NOSPACE, {}, r"no fault point is called 'file\.sinced'.*file\.synced"),
        ("nothing", NOSPACE, {}, r"no fault point is called 'nothing': expected one of message\.sent"),
        ("file.synced", faults.lose(), {}, r"lose cannot be injected at file\.synced: expected one of error"),
        ("file.synced", NOSPACE, {"name": "*"}, r"knows nothing called 'name'.*: expected one of path"),
    ],
)
def test_what_cannot_be_injected_is_refused(
    point: str, effect: faults.Effect, where: dict[str, str], says: str
) -> None:
    """With what would be accepted."""
    with pytest.raises(ValueError, match=says), faults.inject(point, effect, where=where):
        pass


def test_a_torn_write_ends_in_some_failure() -> None:
    """Not in a delay."""
    with pytest.raises(ValueError, match="cannot end with delay: expected error, kill or crash"):
        faults.torn(3, faults.delay(1))


def test_a_point_that_nobody_declared_is_a_bug() -> None:
    """Found by whatever test passes it while something is on."""
    with pytest.raises(LookupError, match=r"'file\.eaten'.*POINTS"):
        faults.hit("file.eaten")


# The environment.


def test_the_environment_is_read() -> None:
    """Everything that can be said, in one line."""
    text = "file.synced[path=*.xml]=kill@3; qmp.sent=delay:0.2 ;file.written=error:ENOSPC"
    assert list(entries(f"{text};process.spawned=signal:SIGSTOP")) == [
        ("file.synced", faults.kill(), 2, 1, {"path": "*.xml"}),
        ("qmp.sent", faults.delay(0.2), 0, None, {}),
        ("file.written", NOSPACE, 0, None, {}),
        ("process.spawned", faults.stop_qemu(), 0, None, {}),
    ]
    assert list(entries("")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file.synced", r"cannot read 'file\.synced': expected POINT\[NAME=GLOB\]=EFFECT:VALUE@NUMBER"),
        ("file.synced=kill@0", "cannot read"),
        ("file.synced=burn", "no effect is called 'burn': expected one of error, crash"),
        ("file.synced=error", "cannot read 'error': expected it as in 'error:ENOSPC'"),
        ("file.synced=error:EFULL", "cannot read 'error:EFULL'"),
        ("file.synced=delay:soon", "cannot read 'delay:soon': expected it as in 'delay:0.2'"),
        ("file.synced=kill:9", "cannot read 'kill:9': expected it as in 'kill'"),
    ],
)
def test_what_the_environment_should_not_say_is_refused(text: str, says: str) -> None:
    """With what would be accepted."""
    with pytest.raises(ValueError, match=says):
        list(entries(text))


def test_an_agent_is_killed_where_its_environment_says(tmp_path: Path) -> None:
    """At the third pass that fits, between two system calls."""
    code = """
import pathlib, sys
from embervirt.drivers.root import files
for name in ("a.xml", "b.txt", "c.xml", "d.xml"):
    files.write(pathlib.Path(sys.argv[1], name), b"content", durable=True)
"""
    environment = {**os.environ, faults.VARIABLE: "file.renamed[path=*.xml]=kill@3"}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["a.xml", "b.txt", "c.xml"]


# The table.


def passes() -> dict[str, list[set[str]]]:
    """What each ``faults.hit`` of the sources hands over, by its point."""
    found: dict[str, list[set[str]]] = {}
    for folder in ("actors", "drivers", "supervisor", "embervirt"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text()) if "embervirt/faults" not in str(path) else ast.Module([], [])
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                if ast.unparse(call.func) == "faults.hit":
                    name = ast.literal_eval(call.args[0])
                    found.setdefault(name, []).append({each.arg or "**" for each in call.keywords})
    return found


def test_o04_every_declared_point_is_passed_somewhere_with_what_it_promises() -> None:
    """And no other; what ``where`` may ask for is there at each place."""
    found = passes()
    assert set(found) == set(POINTS)
    for name, places in found.items():
        for given in places:
            promised = set(POINTS[name].about)
            assert "**" in given or given - HANDLES == promised - HANDLES, name


def test_every_point_names_effects_that_exist() -> None:
    """And whatever needs only a thread can be done at each that does not run on a shared one."""
    from embervirt.faults.effects import MAKERS

    for name, point in POINTS.items():
        assert set(point.effects) <= set(MAKERS)
        assert {"crash", "kill"} <= set(point.effects)
        assert set(HERE) <= set(point.effects) or "thread of all monitors" in point.where, name
