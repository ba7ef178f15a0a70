"""The fake QEMU as a process: sockets, signals, time and files around a ``Dialogue``.

Every test pays for its start, so it imports little, and nothing outside the standard library.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections import deque
from itertools import count
from typing import Any, NoReturn

from embervirt.testing.arguments import Arguments, read
from embervirt.testing.dialogue import Dialogue, Effects
from embervirt.testing.machine import Machine, Message
from embervirt.testing.replies import Facts
from embervirt.testing.script import PROBE, Script
from embervirt.testing.wire import Wire

MOST = 1 << 20
"""Bytes that may wait for a client that does not read; then nothing more is said until it does."""

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PROMPT = signal.SIGUSR2
"""Asks for a look into the script."""


class Files:
    """The script that a test writes, and the log that it reads."""

    def __init__(self, directory: str, guest: str) -> None:
        self._directory, self._guest = directory, guest
        self._log = os.open(f"{directory}/log.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._version: tuple[int, int] | None = None

    def note(self, what: str, name: str = "", **more: Any) -> None:
        """One entry; single writes in append mode do not mix."""
        entry = {"at": time.monotonic(), "pid": os.getpid(), "guest": self._guest, "what": what, "name": name}
        os.write(self._log, json.dumps(entry | more).encode() + b"\n")

    def refresh(self, script: Script) -> None:
        """Load the script if there is a new one."""
        descriptor = os.open(f"{self._directory}/script.json", os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            version = found.st_ino, found.st_mtime_ns
            if version != self._version:
                self._version = version
                script.load(json.loads(file.read()))

    def count_spawns(self, script: Script) -> None:
        """How many processes each rule about spawns has seen before this one."""
        for rule in script.of("spawn"):
            lines = os.pread(self._log, os.fstat(self._log).st_size, rule["since"]).splitlines()
            spawns = [entry for entry in map(json.loads, lines) if entry["what"] == "spawn"]
            wanted = [entry["pid"] for entry in spawns if script.is_for(rule, entry["guest"])]
            script.count(rule, wanted.index(os.getpid()))


class Lane:
    """Effects in their order. ``link`` is the connection that they began with, ``command`` whether the next
    command waits for them; the urgent ones do not wait for a client that does not read."""

    def __init__(self, effects: Effects, link: int, *, command: bool = False, urgent: bool = False) -> None:
        self.effects, self.link, self.command, self.urgent = effects, link, command, urgent
        self.due = 0.0


class Program:
    """Carries a dialogue's effects out; ``do_...`` are the effects."""

    def __init__(self, directory: str, version: tuple[int, int, int], argv: list[str]) -> None:
        arguments = read(argv)
        guest = arguments.name or PROBE
        self._wake = _caught()
        self._wire = Wire(arguments.monitor, arguments.listens)
        self._machine = Machine(_facts(arguments, version, self._wire))
        self._script, self._files = Script(guest), Files(directory, guest)
        self._dialogue = Dialogue(self._machine, self._script)
        self._requests: deque[object] = deque()
        self._lanes: list[Lane] = []
        self._files.refresh(self._script)
        self._files.note("spawn", argv=argv, start=_start_time())
        self._files.count_spawns(self._script)

    def run(self) -> NoReturn:
        """Carry effects out, wait, take what comes; an effect ends it."""
        self._begin(self._dialogue.spawned())
        while True:
            self._advance()
            self._wait()

    def _begin(self, effects: Effects, *, command: bool = False, urgent: bool = False) -> None:
        self._lanes.append(Lane(effects, self._wire.link, command=command, urgent=urgent))

    def _advance(self) -> None:
        """One effect of each lane in turn, until all of them wait for something."""
        going = True
        while going:
            stepped = [self._step(lane) for lane in list(self._lanes)]
            going = any(stepped) or self._next()

    def _step(self, lane: Lane) -> bool:
        if lane.due > time.monotonic() or self._is_held(lane):
            return False
        effect = next(lane.effects, None)
        if effect is None:
            self._lanes.remove(lane)
        else:
            getattr(self, f"do_{effect[0]}")(lane, *effect[1:])
        return True

    def _is_held(self, lane: Lane) -> bool:
        return self._wire.waiting > MOST and not lane.urgent

    def _is_busy(self) -> bool:
        return bool(self._requests) or any(lane.command for lane in self._lanes)

    def _next(self) -> bool:
        """Begin with the next command, when the one before it is done."""
        if not self._requests or any(lane.command for lane in self._lanes):
            return False
        request = self._requests.popleft()
        self._files.refresh(self._script)
        if isinstance(request, dict):
            arguments = request.get("arguments")
            self._files.note("command", str(request.get("execute")), arguments=arguments)
        self._begin(self._dialogue.requested(request), command=True)
        return True

    # Effects.

    def do_event(self, lane: Lane, message: Message) -> None:
        if self._machine.negotiated:
            seconds, rest = divmod(time.time_ns(), 10**9)
            stamp = {"timestamp": {"seconds": seconds, "microseconds": rest // 1000}}
            self._wire.send(_encoded(stamp | message))

    def do_reply(self, lane: Lane, message: Message) -> None:
        self.do_bytes(lane, _encoded(message))

    def do_bytes(self, lane: Lane, data: bytes) -> None:
        if lane.link == self._wire.link:
            self._wire.send(data)

    def do_wait(self, lane: Lane, seconds: float) -> None:
        lane.due = time.monotonic() + seconds

    def do_pace(self, lane: Lane, seconds: float) -> None:
        lane.due = (lane.due or time.monotonic()) + seconds

    def do_background(self, lane: Lane, effects: Effects) -> None:
        self._begin(effects)

    def do_serve(self, lane: Lane) -> None:
        if self._wire.serve():
            self._connected()

    def do_disconnect(self, lane: Lane) -> None:
        self._disconnect()

    def do_close(self, lane: Lane) -> None:
        self._wire.deafen()
        self._disconnect()

    def do_hang(self, lane: Lane, seconds: float | None) -> None:
        for _ in count() if seconds is None else range(1):
            time.sleep(seconds or 3600)

    def do_print(self, lane: Lane, descriptor: int, data: bytes) -> None:
        while data:
            data = data[os.write(descriptor, data) :]

    def do_exit(self, lane: Lane, status: int, orderly: bool) -> None:
        self._files.note("exit", str(status))
        self._wire.flush()
        if orderly:
            self._wire.remove()
        os._exit(status)

    def do_kill(self, lane: Lane, number: int) -> None:
        self._files.note("exit", str(-number))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # What comes.

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        self._wire.register(poller, reads=not self._is_busy())
        for descriptor, mask in poller.poll(self._patience()):
            if descriptor == self._wake:
                self._signalled(os.read(self._wake, 64))
            elif self._wire.client is None:
                self._wire.accept()
                self._connected()
            elif mask & select.POLLIN:
                self._receive()
            elif mask & (select.POLLHUP | select.POLLERR):
                self._disconnect()
        self._wire.flush()

    def _patience(self) -> float | None:
        """Milliseconds until a lane goes on by itself."""
        dues = [lane.due for lane in self._lanes if not self._is_held(lane)]
        return max(0.0, (min(dues) - time.monotonic()) * 1000 + 1) if dues else None

    def _connected(self) -> None:
        self._files.refresh(self._script)
        self._files.note("connect")
        self._begin(self._dialogue.connected())

    def _receive(self) -> None:
        requests = self._wire.receive()
        if requests is None:
            self._disconnect()
        else:
            self._requests += requests

    def _disconnect(self) -> None:
        if self._wire.client is not None:
            self._files.note("disconnect")
        self._machine.negotiated = False
        self._requests.clear()
        self._wire.drop()

    def _signalled(self, numbers: bytes) -> None:
        self._files.refresh(self._script)
        for number in map(signal.Signals, numbers):
            if number in ENDING:
                self._files.note("signal", number.name)
                self._begin(self._dialogue.signalled(), urgent=True)
        for actions in self._script.take_now(os.getpid()):
            self._begin(self._dialogue.prompted(actions))


def _encoded(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\r\n"


def _caught() -> int:
    """A descriptor from which the numbers of signals can be read, and nothing else happens on them."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*ENDING, PROMPT):
        signal.signal(number, lambda *_: None)
    return reader


def _facts(arguments: Arguments, version: tuple[int, int, int], wire: Wire) -> Facts:
    chardevs = [(label, f"pty:{_pty()}") for label in arguments.ptys]
    chardevs.append((arguments.monitor_label, f"unix:{wire.path},server=on"))
    entries = [{"frontend-open": True, "filename": file, "label": label} for label, file in chardevs]
    return Facts(
        name=arguments.name,
        uuid=arguments.uuid or Facts().uuid,
        cpus=arguments.cpus,
        chardevs=tuple(entries),
        thread=os.getpid(),
        stopped=arguments.stopped,
        stays=arguments.stays,
        devices=arguments.devices,
        version=version,
    )


def _pty() -> str:
    """The path of a new one, which stays open."""
    near, far = os.openpty()
    path = os.ttyname(far)
    os.set_inheritable(near, False)
    os.close(far)
    return path


def _start_time() -> int:
    """Clock ticks since boot, as /proc/self/stat has it (proc(5))."""
    descriptor = os.open("/proc/self/stat", os.O_RDONLY)
    stat = os.read(descriptor, 4096)
    os.close(descriptor)
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def main() -> NoReturn:
    """``sys.argv``: of the launcher, the directory of script and log, the version, and QEMU's arguments."""
    _, directory, version, *argv = sys.argv
    major, minor, micro = map(int, version.split("."))
    try:
        program = Program(directory, (major, minor, micro), argv)
    except ValueError as wrong:
        sys.exit(f"fake QEMU: {wrong}")
    program.run()
