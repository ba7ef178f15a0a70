"""Simulated QEMUs and the hands on them: ``protocol.Backend`` and ``Session`` in virtual time.

A QEMU outlives the agent. It serves one client of its monitor at a time, in order; the others wait for its
greeting. It may be stopped, be slow, lose the connection before or after it carried a command out, and die.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from embervirt import disk, faults
from embervirt.drivers.qemu.backend.protocol import Command, Launched
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.errors import LaunchFailed, MonitorError, MonitorLost, MonitorTimeout
from embervirt.supervisor.identity import identify
from embervirt.supervisor.recorder import Spawned, reap
from embervirt.testing.arguments import devices
from embervirt.testing.machine import Machine
from embervirt.testing.replies import Facts
from simulation.kernel import Kernel
from simulation.scheduler import Scheduler, Signal
from simulation.storage import Storage

Task = Callable[[], object]
BINARY = "/usr/bin/qemu-system-x86_64"


class Qemu:
    """One process with its recorder. ``acknowledged``: whoever asked for it has been told that it runs.

    ``asked_to_end``: somebody who may has asked.
    """

    def __init__(self, host: Host, command: Command, argv: Sequence[str]) -> None:
        self.host, self.directory, self.name = host, command.directory, command.log.stem
        self.machine = Machine(Facts(stopped=True, devices=devices(argv)))
        self.sessions: list[Session] = []
        self.acknowledged = self.asked_to_end = False
        self.scheduler = host.scheduler
        kernel = host.kernel
        line = "\0".join(argv).encode() + b"\0"
        self.recorder = kernel.start(b"bash\0-p\0-c\0" + line)
        self.process = kernel.start(line, self._hear, self.recorder.pid)
        self.process.judge = self._judge
        self.process.on_end = lambda status: self._ended(status, command.status_file)
        self.process.on_continue = self._serve
        self._requests: deque[tuple[Session, dict[str, Any], Future[Any]]] = deque()
        self._said = 0.0

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self.process.alive

    # Its life.

    def _hear(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._tell(self.machine.terminate())
            self.scheduler.call_at(self.scheduler.now + self.host.latency(), self._quit)

    def _judge(self, number: int) -> None:
        """A signal of the agent's: a guest that runs for somebody ends only if somebody asked for that."""
        over = self.asked_to_end or self.machine.status in ("shutdown", "guest-panicked")
        if self.acknowledged and not over:
            self.scheduler.broken("no guest stopped that nobody stopped", f"signal {number} to {self.name}")

    def _quit(self) -> None:
        self.host.kernel.end(self.process, 0)

    def _ended(self, status: int, status_file: Path) -> None:
        for each in list(self.sessions):
            each.lose("Server disconnected")
        self.host.ended(self)

        def record() -> None:
            if self.recorder.alive and status_file.parent.is_dir():
                self.host.storage.outside(status_file, b"%d\n" % status)
            self.host.kernel.end(self.recorder, 0)

        self.scheduler.call_at(self.scheduler.now + self.host.latency(), record)

    def guest(self, deed: str) -> None:
        """What the guest does by itself."""
        if self.alive and not self.process.stopped:
            self.scheduler.note(f"guest {self.name} {deed}")
            self._tell(self.machine.guest(deed))

    # Its monitor.

    def accept(self, session: Session) -> None:
        """The next in the queue; only the first is greeted."""
        self.sessions.append(session)
        self._greet()

    def leave(self, session: Session) -> None:
        """The client hung up."""
        if session in self.sessions:
            self.sessions.remove(session)
            self.scheduler.call_at(self.scheduler.now + self.host.latency(), self._greet)

    def _greet(self) -> None:
        if self.alive and not self.process.stopped and self.sessions and not self.sessions[0].greeted:
            session = self.sessions[0]
            session.greeted = True
            self.machine.greet()
            self.machine.execute({"execute": "qmp_capabilities"})
            self._say(session.welcome)

    def _serve(self) -> None:
        self._greet()
        while self._requests and self.alive and not self.process.stopped:
            self._execute(*self._requests.popleft())

    def request(self, session: Session, command: dict[str, Any], reply: Future[Any]) -> None:
        """A command arrives, some time later."""
        self._requests.append((session, command, reply))
        self.scheduler.call_at(self.scheduler.now + self.host.latency(), self._serve)

    def _execute(self, session: Session, command: dict[str, Any], reply: Future[Any]) -> None:
        fate = self.host.fate()
        if session not in self.sessions or fate == "cut before":
            session.lose("Connection reset by peer")
            return
        if fate == "die":
            self.host.kernel.kill(self.process, signal.SIGSEGV if self.scheduler.random.random() < 0.5 else 9)
            return
        if self.sessions[0] is not session:
            self.scheduler.broken("one owner of each monitor", f"{self.name} serves who was not greeted")
        self.scheduler.note(f"qemu {self.name} executes {command['execute']}")
        events, answer = self.machine.execute(command)
        if fate == "cut after":
            session.lose("Connection reset by peer")
            return
        self._tell(events)
        self._say(lambda: session.answer(reply, command["execute"], answer))
        if command["execute"] == "system_powerdown":
            self.host.powerdown(self)
        if self.machine.over:
            self.scheduler.call_at(self.scheduler.now + self.host.latency(), self._quit)

    def _tell(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            for session in self.sessions[:1]:
                self._say(partial(session.event, event))

    def _say(self, what: Task) -> None:
        """Everything arrives in the order in which it was said."""
        self._said = max(self._said, self.scheduler.now + self.host.latency())
        self.scheduler.call_at(self._said, what)


class Session:
    """``protocol.Session``; what comes from QEMU runs on the backend's thread, as on the real one's."""

    def __init__(
        self, backend: Backend, qemu: Qemu, on_event: Callable[[Any], None], on_close: Callable[[Any], None]
    ) -> None:
        self.backend, self.qemu, self.greeted, self.open = backend, qemu, False, True
        self.connected: Future[Session] = Future()
        self._on_event, self._on_close = on_event, on_close
        self._pending: list[Future[Any]] = []
        self._closed = self.over = False
        self._cut = Signal()
        self.connected.add_done_callback(lambda done: self.lose("cancelled") if done.cancelled() else None)

    # From QEMU, at any time.

    def welcome(self) -> None:
        """The greeting."""
        self.backend.do(lambda: _settle(self.connected, self) if self.open else None)

    def answer(self, reply: Future[Any], command: str, answer: dict[str, Any]) -> None:
        """A reply."""
        if self.open:
            self.backend.do(lambda: self._answered(reply, command, answer))

    def _answered(self, reply: Future[Any], command: str, answer: dict[str, Any]) -> None:
        if reply in self._pending:
            self._pending.remove(reply)
            error = answer.get("error")
            failure = MonitorError(command, error["class"], error["desc"]) if error else None
            _settle(reply, answer.get("return"), failure)

    def event(self, event: dict[str, Any]) -> None:
        """An event, as QEMU sent it."""
        stamped = {"data": {}, **event, "timestamp": {"seconds": 0, "microseconds": 0}}
        if self.open:
            self.backend.do(lambda: self._on_event(stamped))

    def give(self, name: str, descriptor: int, *, timeout: float) -> Future[Any]:
        """Descriptors do not exist here; who hands one over is told so."""
        refused: Future[Any] = Future()
        refused.set_exception(MonitorError("getfd", "GenericError", f"no descriptors here ({name})"))
        return refused

    def lose(self, why: str) -> None:
        """The connection ends; once."""
        if not self.open:
            return
        self.open = False
        self.qemu.leave(self)
        self.backend.do(lambda: self._end(why))

    def _end(self, why: str) -> None:
        lost = MonitorLost(f"monitor of {self.qemu.name}: the connection ended: {why}")
        pending, self._pending = self._pending, []
        for each in pending:
            _settle(each, None, lost)
        if not self.connected.done():
            _settle(self.connected, None, lost)
        elif not self.connected.cancelled():
            self._on_close(None if self._closed else lost)
        self.over = True
        self._cut.fire()

    # From the agent.

    def submit(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None
    ) -> Future[Any]:
        """As ``Monitor.submit``."""
        scheduler = self.backend.host.scheduler
        scheduler.checkpoint()
        reply: Future[Any] = Future()
        if not self.backend.open:
            raise MonitorLost("the loop of the monitors is closed, as its root is")
        if not self.open:
            self.backend.do(lambda: _settle(reply, None, MonitorLost(f"no connection for {command}")))
            return reply
        if faults.armed:
            faults.hit("qmp.sent", command=command, monitor=self.qemu.name, session=self)
        self._pending.append(reply)
        asked = {"execute": command, **({"arguments": dict(arguments)} if arguments else {})}
        self.qemu.request(self, asked, reply)
        if timeout is not None:
            late = partial(self.backend.do, partial(self._late, reply, command))
            scheduler.call_at(scheduler.now + timeout, late)
        return reply

    def _late(self, reply: Future[Any], command: str) -> None:
        if reply in self._pending:
            self._pending.remove(reply)
            text = f"monitor of {self.qemu.name}: no answer to {command} in time"
            _settle(reply, None, MonitorTimeout(text))

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float) -> Any:
        """As ``Monitor.execute``."""
        return self.submit(command, arguments, timeout=timeout).result(timeout + 5)

    def shut(self) -> None:
        """As ``Monitor.shut``."""
        self.lose("shut")

    def close(self) -> None:
        """As ``Monitor.close``."""
        self._closed = True
        self.lose("closed")
        if self.backend.open:
            scheduler = self.backend.host.scheduler
            scheduler.until(lambda: self.over, (self._cut,), scheduler.now + 5)


class Backend:
    """``protocol.Backend``; one for each agent, whose thread carries what QEMU says."""

    def __init__(self, host: Host) -> None:
        self.host, self.open = host, True
        self._tasks: deque[Task] = deque()
        self._filled = Signal()
        host.scheduler.spawn("monitors", self._run)

    def _run(self) -> None:
        scheduler = self.host.scheduler
        while self.open or self._tasks:
            scheduler.until(lambda: self._tasks or not self.open, (self._filled,))
            while self._tasks:
                self._tasks.popleft()()

    def do(self, task: Task) -> None:
        """On its thread."""
        self._tasks.append(task)
        self._filled.fire()

    def close(self) -> None:
        """As ``RealBackend.close``."""
        for qemu in self.host.qemus:
            for each in list(qemu.sessions):
                if each.backend is self:
                    each.lose("its loop was closed")
        self.open = False
        self._filled.fire()

    def probe(self, binary: str) -> Capabilities:
        """What every simulated QEMU can do."""
        return self.host.capabilities

    def connecting(
        self, monitor: Path, *, on_event: Callable[[Any], None], on_close: Callable[[Any], None]
    ) -> Future[Session]:
        """As ``Monitor.connecting``."""
        self.host.scheduler.checkpoint()
        for qemu in self.host.qemus:
            if qemu.alive and qemu.directory == monitor.parent:
                return self._connected(qemu, on_event, on_close).connected
        raise MonitorLost(f"no QEMU answers at monitor socket {monitor}: Connection refused")

    def _connected(
        self, qemu: Qemu, on_event: Callable[[Any], None], on_close: Callable[[Any], None]
    ) -> Session:
        session = Session(self, qemu, on_event, on_close)
        qemu.accept(session)
        return session

    def launch(
        self,
        command: Command,
        *,
        deadline: float,
        on_event: Callable[[Any], None],
        on_close: Callable[[Any], None],
    ) -> Launched:
        """As ``launch.launch``."""
        host = self.host
        host.scheduler.checkpoint()
        host.storage.outside(command.monitor, b"")
        argv = command.argv(7)
        disk.unlink(command.status_file, missing_ok=True)
        if faults.armed:
            faults.hit("process.spawning", program=argv[0])
        qemu = host.spawn(command, argv)
        spawned = Spawned(qemu.process.pid, qemu.process.start, qemu.recorder.pid, qemu.recorder.start)
        try:
            if faults.armed:
                faults.hit("process.spawned", program=argv[0], pid=spawned.pid)
            session = self._greeted(qemu, deadline, on_event, on_close)
            identity = identify(spawned.pid, command.nonce)
            if identity is None:
                raise LaunchFailed("process exited while connecting to monitor: it said nothing")
        except BaseException:
            self._undo(qemu, spawned, command)
            raise
        return Launched(identity, spawned, session)

    def _greeted(self, qemu: Qemu, deadline: float, on_event: Any, on_close: Any) -> Session:
        session = self._connected(qemu, on_event, on_close)
        try:
            return session.connected.result(max(0.0, deadline - self.host.scheduler.now))
        except MonitorLost as lost:
            raise LaunchFailed("process exited while connecting to monitor: it said nothing") from lost
        except TimeoutError:
            session.connected.cancel()
            raise MonitorTimeout(f"monitor of {qemu.name}: no greeting") from None

    def _undo(self, qemu: Qemu, spawned: Spawned, command: Command) -> None:
        self.host.scheduler.checkpoint()
        if qemu.alive:
            self.host.kernel.kill(qemu.process, signal.SIGKILL)
        reap(spawned, 5.0)
        disk.unlink(command.status_file, missing_ok=True)


class Host:
    """All QEMUs of one simulated host. ``trouble``: how likely a command meets something bad, 0 to 1."""

    def __init__(
        self, scheduler: Scheduler, kernel: Kernel, storage: Storage, capabilities: Capabilities
    ) -> None:
        self.scheduler, self.kernel, self.storage = scheduler, kernel, storage
        self.capabilities = capabilities
        self.qemus: list[Qemu] = []
        self.trouble = self.slow = 0.0

    def latency(self) -> float:
        """Of one step between two processes: mostly less than a millisecond, sometimes seconds."""
        random = self.scheduler.random.random
        return random() * 20 if random() < self.slow else random() * 0.001

    def fate(self) -> str:
        """What a command meets."""
        if self.scheduler.random.random() >= self.trouble:
            return ""
        return self.scheduler.random.choice(("cut before", "cut after", "die"))

    def spawn(self, command: Command, argv: Sequence[str]) -> Qemu:
        """A QEMU for that run; there must be no other for the domain."""
        name = command.log.stem
        for each in self.qemus:
            if each.alive and each.name == name:
                text = f"{name} runs as {each.process.pid} and is started again"
                self.scheduler.broken("one QEMU for a domain", text)
        made = Qemu(self, command, argv)
        self.qemus.append(made)
        if self.scheduler.random.random() < self.trouble:
            self.scheduler.call_at(
                self.scheduler.now + self.scheduler.random.random() * 0.002,
                lambda: self.kernel.end(made.process, 1),
            )
        return made

    def ended(self, qemu: Qemu) -> None:
        """It has."""
        self.qemus.remove(qemu)

    def powerdown(self, qemu: Qemu) -> None:
        """A guest obeys, most do."""
        if self.scheduler.random.random() < 0.7:
            when = self.scheduler.now + self.scheduler.random.random() * 2
            self.scheduler.call_at(when, lambda: qemu.guest("shuts down"))

    def reboot(self) -> None:
        """Power loss."""
        self.qemus.clear()
        self.kernel.reboot()

    def running(self, name: str) -> Qemu | None:
        """The QEMU of a domain."""
        return next((each for each in self.qemus if each.alive and each.name == name), None)


def _settle(future: Future[Any], result: Any, error: BaseException | None = None) -> None:
    if future.cancelled() or future.done() or not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
