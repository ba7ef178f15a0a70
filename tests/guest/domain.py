"""Domains for tests with a real QEMU, and eyes on them: console, events, processes.

``SMALL`` has no kernel: its firmware finds nothing to boot and idles, which is all that most tests need.
``linux`` boots the test guest of ``image``.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

import embervirt as libvirt
from embervirt.actors.exits import Exit
from embervirt.actors.messages import Event, Numbered
from embervirt.actors.subscription import Subscription
from embervirt.libvirt.connect import virConnect
from embervirt.supervisor.report import ChildFailed
from guest.image import CMDLINE, INITRD, KERNEL

if TYPE_CHECKING:
    from embervirt.runtime.root import Root

SECONDS = 60.0
"""How long a test waits for what should take one: more only on a machine that has stopped."""

SECRET = "<secret><usage type='ceph'><name>a</name></usage></secret>"

TICK = re.compile(r"uptime [0-9.]+ tick ([0-9]+)\s")


def small(name: str, *, devices: str = "", uuid: str = "", memory: int = 32, more: str = "") -> str:
    """A guest that idles in its firmware; memory in MiB."""
    return f"""
    <domain type='qemu'><name>{name}</name>{uuid and f"<uuid>{uuid}</uuid>"}
      <memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>{more}
      <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"""


def linux(name: str, *, devices: str = "", vcpus: int = 1) -> str:
    """The test guest with a console, without network; it obeys ACPI power-off."""
    return f"""
    <domain type='qemu'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>{vcpus}</vcpu>
      <os><type arch='x86_64' machine='q35'>hvm</type>
        <kernel>{KERNEL}</kernel><initrd>{INITRD}</initrd><cmdline>{CMDLINE}</cmdline></os>
      <features><acpi/></features><devices><console type='pty'/>{devices}</devices></domain>"""


def uri(root: Path, driver: str = "qemu") -> str:
    """Of a root in a directory whose name needs no encoding."""
    return f"{driver}:///embed?root={root}"


class Console:
    """What a guest has printed, from its log: nothing is lost whoever reads, and when."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / "log" / "qemu" / f"{name}.console"

    def text(self) -> str:
        """All of it, lines of earlier runs too."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def until(self, words: str, *, after: int = 0, seconds: float = SECONDS) -> str:
        """Waits for ``words`` behind position ``after``; the whole text."""
        return self.wait(lambda text: words in text[after:], words, seconds)

    def ticks(self) -> list[int]:
        """Numbers of the whole lines that the guest prints each second."""
        return [int(number) for number in TICK.findall(self.text())]

    def tick(self, count: int, *, seconds: float = SECONDS) -> list[int]:
        """Waits until there are ``count`` more ticks; all of them."""
        wanted = len(self.ticks()) + count
        self.wait(lambda text: len(TICK.findall(text)) >= wanted, f"{count} ticks", seconds)
        return self.ticks()

    def wait(self, fits: Callable[[str], bool], what: str, seconds: float) -> str:
        """The file is QEMU's, so there is nobody to be woken by: looked at 20 times a second."""
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not fits(text := self.text()):
            assert time.monotonic() < deadline, f"the guest did not say {what!r}: ...{text[-500:]!r}"
            pause.wait(0.05)
        return text


def gapless(ticks: list[int]) -> bool:
    """Whether it counts one up each time."""
    return ticks == list(range(ticks[0], ticks[0] + len(ticks)))


class Events:
    """A root's events on a thread of their own; ``wait`` blocks until one fits."""

    def __init__(self, subscription: Subscription) -> None:
        self.seen: list[Numbered] = []
        self.lost = 0
        self._events: list[Event | None] = []
        self._subscription = subscription
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while (received := self._subscription.get()) is not None:
            with self._changed:
                if isinstance(received, Numbered):
                    self.seen.append(received)
                    self._events.append(received.event())
                else:
                    self.lost += 1
                self._changed.notify_all()

    def wait(self, fits: Callable[[Event], bool], *, count: int = 1, seconds: float = SECONDS) -> list[Event]:
        """Waits until ``count`` events fit; those."""
        with self._changed:
            waited = self._changed.wait_for(lambda: len(self.fitting(fits)) >= count, seconds)
            assert waited, f"saw {len(self.fitting(fits))} of {count}; last: {self.seen[-5:]}"
            return self.fitting(fits)

    def fitting(self, fits: Callable[[Event], bool]) -> list[Event]:
        """Those so far."""
        return [event for event in list(self._events) if event is not None and fits(event)]

    @property
    def numbers(self) -> list[int]:
        """Of all so far."""
        return [numbered.seq for numbered in self.seen]

    def end(self) -> None:
        """Stop listening."""
        self._subscription.cancel()
        self._thread.join()
        self._subscription.close()


@contextmanager
def watching(root: Root) -> Iterator[Events]:
    """The events of a root from now on."""
    events = Events(root.subscribe())
    try:
        yield events
    finally:
        events.end()


def crash(root: Root, path: str) -> None:
    """An actor ends as by a bug, ``drivers/network`` say; it has when this returns, and a successor comes."""
    with watching(root) as events:
        root.crash(path)
        events.wait(lambda event: isinstance(event, ChildFailed) and who_failed(event) == path)


def who_failed(event: ChildFailed) -> str:
    """Its path below the root."""
    return f"{event.supervisor}/{event.child}".removeprefix("root/")


def give_up(root: Root, path: str) -> None:
    """An actor is fenced as one that hangs, or whose start takes too long; its thread goes on."""
    over: Future[None] = Future()

    def task(now: float) -> None:
        tree = root.supervisor.tree
        child = tree.find(("root", *path.split("/")))
        assert child is not None
        if child.phase == "up":
            tree.hung(child, child.generation, Exit("hung"), now)
        else:
            child.by = now
            tree._touch(child)

    root.supervisor.post(task)
    root.supervisor.post(lambda now: over.set_result(None))  # when what follows from it was done
    over.result(SECONDS)


def wait_until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """For what nobody tells of: looked at a hundred times a second."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.01)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more; who started it may not have noticed."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pid_of(root: Path, name: str) -> int:
    """Of a running guest's QEMU."""
    return int((root / "run" / "qemu" / f"{name}.pid").read_text())


def qemus(root: Path) -> list[int]:
    """Pids of all QEMU processes that belong to a root, whatever its records say."""
    return [pid for pid in psutil.pids() if _is_qemu(pid, root)]


def _is_qemu(pid: int, root: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"qemu-system-x86_64") and any(f"{root}/".encode() in word for word in words)


@contextmanager
def opened(root: Path) -> Iterator[virConnect]:
    """A connection to a root of its own; whatever runs in the end is killed."""
    with libvirt.open(uri(root)) as conn:
        try:
            yield conn
        finally:
            for pid in qemus(root):
                kill(pid)


def kill(pid: int) -> None:
    """SIGKILL, and the end of the process, whoever's child it is."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(held, signal.SIGKILL)
        select.select([held], [], [], SECONDS)
    finally:
        os.close(held)


def reports(output: str) -> dict[str, object]:
    """What a host program printed, a JSON object a line, as one."""
    found: dict[str, object] = {}
    for line in output.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found
