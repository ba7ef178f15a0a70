"""The processes actor: watches processes by pidfd, children or not, and tells who asked how each ended."""

from __future__ import annotations

import errno
import signal
from functools import partial
from pathlib import Path

import msgspec

from embervirt import world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.messages import Message, Request
from embervirt.supervisor.identity import Identity, Process
from embervirt.supervisor.oom import Group
from embervirt.supervisor.recorder import Spawned, read_status, reap

PROCESSES_ACTOR = "processes"
NAMES = {each.value: f" ({each.name})" for each in signal.Signals}
"""Of signals; the real-time ones between the first and the last have none."""

AGAIN = 0.25
"""Seconds between attempts to get a descriptor when none is left."""

KILLED = (-signal.SIGKILL, None)
"""How what the OOM killer does looks, the second without a recorder."""

OUT_OF_MEMORY = ", out of memory: the OOM killer struck in its cgroup (oom_kill +{})"

RECORDER_SECONDS = 1.0
"""How long the recorder may take to write the status after the program's end; it needs a millisecond."""


class Watched(msgspec.Struct, frozen=True):
    """A process under a recorder: enough to find exactly it again, and what became of it."""

    identity: Identity
    spawned: Spawned
    status_file: str
    memory: Group | None = None

    def runs(self) -> bool:
        """Whether it does now."""
        process = Process.attach(self.identity)
        if process is not None:
            process.close()
        return process is not None

    def status(self) -> int | None:
        """After its end: exit code, minus a signal's number, or None when nobody knows."""
        reap(self.spawned, RECORDER_SECONDS)
        return read_status(Path(self.status_file))

    def cause(self, status: int | None) -> str:
        """Of its end, in words; after a SIGKILL also whether the OOM killer was at work."""
        kills = self.memory.kills_since() if self.memory is not None and status in KILLED else 0
        return describe(status) + (OUT_OF_MEMORY.format(kills) if kills else "")


class Watch(Request[bool], frozen=True):
    """Tell the actor ``notify`` when it ends, instead of what it watched before.

    Replies False when it had ended already (and tells so). An actor has one watch for each ``role``.
    """

    safe = True
    process: Watched
    notify: str
    role: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Whose place it takes."""
        return self.notify, self.role


class ProcessExited(Message, frozen=True):
    """``status``: exit code, minus the signal's number, or None when it is not known."""

    pid: int
    status: int | None


class Processes(Actor):
    """Holds a pidfd for each watch; all are dropped with its generation, and who asked asks again."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._held: dict[tuple[str, str], Process] = {}

    def setup(self) -> None:
        """Nothing to rebuild: those who watch start after this actor."""
        self.resources.callback(self._release)

    def _release(self) -> None:
        for process in self._held.values():
            process.close()

    @handles(Watch)
    def watch(self, request: Watch) -> bool:
        """Begin to watch; when no descriptor is left for that, as soon as there is one."""
        self._drop(request.key)
        try:
            process = Process.attach(request.process.identity)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.inbox.at(world.monotonic() + AGAIN, partial(self._retry, request))
            return True
        if process is None:
            self._tell(request)
            return False
        self._held[request.key] = process
        self.inbox.watch(process.fileno(), partial(self._ended, request))
        return True

    def _retry(self, request: Watch) -> None:
        """Unless who wanted it has asked anew meanwhile."""
        if request.key not in self._held:
            self.watch(request)

    def _ended(self, request: Watch) -> None:
        self._drop(request.key)
        self._tell(request)

    def _drop(self, key: tuple[str, str]) -> None:
        """Each of those who are told has one watch: a successor's takes the place of its predecessor's."""
        process = self._held.pop(key, None)
        if process is not None:
            self.inbox.unwatch(process.fileno())
            process.close()

    def _tell(self, request: Watch) -> None:
        pid = request.process.identity.pid
        self.bus.tell(request.notify, ProcessExited(pid, request.process.status()))


def describe(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return "exit status unknown"
    if status < 0:
        return f"killed by signal {-status}{NAMES.get(-status, '')}"
    return f"exited with status {status}"
