"""What can be seen of a root from outside: its QEMU processes by identity, and what its program uses."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from soak.explain import Process
from soak.growth import Sample

RUN = re.compile(rb"/domain-([0-9]+)-([A-Za-z0-9]+)/")
START_TIME = 22
"""Field of ``/proc/PID/stat``, counted from 1 (proc(5))."""


class Numbered(msgspec.Struct):
    """An event in the journal, as far as it is looked at."""

    seq: int


@dataclass
class Qemu:
    """One process; ``pidfd`` denotes exactly it. ``seen``: first and last time it was alive."""

    pid: int
    start: int
    name: str
    run: int
    pidfd: int
    first: float
    last: float

    def signal(self, number: int) -> bool:
        """False when it is gone."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return False
        return True


class Eyes:
    """All QEMU processes of one root. Looks at proc, and believes the end of a process from its pidfd."""

    def __init__(self, root: Path) -> None:
        self._mark = f"{root}/".encode()
        self.alive: dict[tuple[int, int], Qemu] = {}
        self.seen = 0
        self.most = 0
        self._doubled: set[int] = set()

    def look(self) -> list[Process]:
        """Sees who is new and who has ended since the last look; those that have ended."""
        for pid in [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]:
            self._meet(pid)
        now = time.monotonic()
        gone = self._gone()
        ended = [_ended(self.alive.pop(key), now) for key in gone]
        for qemu in self.alive.values():
            qemu.last = now
        self.most = max(self.most, len(self.alive))
        return ended

    def _meet(self, pid: int) -> None:
        words = _read(pid, "cmdline").split(b"\0")
        if not words[0].endswith(b"qemu-system-x86_64") or not any(self._mark in word for word in words):
            return
        start = _start(pid)
        match = RUN.search(b"\0".join(words))
        if start is None or match is None or (pid, start) in self.alive:
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        if _start(pid) != start:
            os.close(pidfd)
            return
        now, self.seen = time.monotonic(), self.seen + 1
        self.alive[pid, start] = Qemu(pid, start, match[2].decode(), int(match[1]), pidfd, now, now)

    def _gone(self) -> list[tuple[int, int]]:
        poller, keys = select.poll(), {qemu.pidfd: key for key, qemu in self.alive.items()}
        for pidfd in keys:
            poller.register(pidfd, select.POLLIN)
        return [keys[pidfd] for pidfd, _ in poller.poll(0)]

    def doubled(self) -> Iterator[str]:
        """Domains with two QEMUs that were alive at the same moment; each pair once."""
        by_name: dict[str, Qemu] = {}
        for qemu in self.alive.values():
            other = by_name.setdefault(qemu.name, qemu)
            if other is not qemu and {other.pidfd, qemu.pidfd} != self._doubled:
                self._doubled = {other.pidfd, qemu.pidfd}
                yield f"two QEMUs of {qemu.name}: {other} and {qemu}"

    def end(self) -> int:
        """SIGKILL to each, and its end; how many there were."""
        self.look()
        ending = list(self.alive.values())
        for qemu in ending:
            qemu.signal(signal.SIGKILL)
        for qemu in ending:
            select.select([qemu.pidfd], [], [], 10)
        self.look()
        return len(ending)


def _ended(qemu: Qemu, now: float) -> Process:
    os.close(qemu.pidfd)
    return Process(qemu.name, qemu.run, qemu.pid, qemu.last, now)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _start(pid: int) -> int | None:
    stat = _read(pid, "stat")
    return int(stat[stat.rindex(b")") + 2 :].split()[START_TIME - 3]) if stat else None


def last_event(root: Path) -> int:
    """The number of the last event in the root's journal, 0 when there is none; while nobody writes it."""
    journal = root / "lib" / "embervirt" / "events.jsonl"
    text = journal.read_bytes() if journal.exists() else b""
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    return msgspec.json.decode(lines[-1], type=Numbered).seq if lines else 0


def sample(pid: int, root: Path, guests: int) -> Sample:
    """What the program uses now. Raises psutil.NoSuchProcess."""
    program = psutil.Process(pid)
    with program.oneshot():
        figures = {
            "threads": float(program.num_threads()),
            "descriptors": float(program.num_fds()),
            "memory MiB": program.memory_info().rss / 2**20,
        }
    figures["zombies"] = float(sum(_is_zombie(child) for child in program.children()))
    figures["journals KiB"] = _size(root / "lib" / "embervirt") / 1024
    figures["run files"] = float(_files(root / "run" / "qemu") + _files(root / "lib" / "qemu"))
    return Sample(time.monotonic(), guests, figures)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _files(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
