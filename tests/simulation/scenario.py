"""One simulation: several lives of an agent on one host, with clients, faults, and what must hold."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from embervirt import faults
from embervirt.drivers.qemu import face
from embervirt.drivers.root import lock
from embervirt.errors import libvirtError
from embervirt.runtime.root import Root
from simulation import checks
from simulation.kernel import Kernel
from simulation.qemu import Backend, Host
from simulation.scheduler import Failure, Scheduler, Task
from simulation.storage import Storage
from simulation.workload import Client, Domain, capabilities, domains
from simulation.world import World

MEMORY = Path("/dev/shm")
DOMAINS, CALLS = 3, 8
PATIENCE = 600.0
"""Virtual seconds after which a client that has not ended hangs."""

CALM = 30.0
"""Virtual seconds without faults after which all must be well again."""


class Simulation:
    """``run`` it once; ``trace`` tells what happened. ``planted`` breaks something while it runs."""

    def __init__(
        self, seed: int, planted: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self.seed, self._planted = seed, planted
        self.scheduler = Scheduler(seed)
        self.random = self.scheduler.random
        self.lives = self.random.choice((1, 2, 3))
        self.domains = domains(DOMAINS)
        self.root: Root | None = None
        self.events = checks.Events()
        self._crashes = 0.0
        self._torn: frozenset[bytes] = frozenset()

    @property
    def trace(self) -> list[tuple[float, str, str]]:
        """What happened."""
        return self.scheduler.trace

    def run(self) -> None:
        """Raises Failure, or whatever a thread died of."""
        top = Path(tempfile.mkdtemp(prefix="embervirt-simulation-", dir=MEMORY if MEMORY.is_dir() else None))
        try:
            with self._in_place(top):
                self.scheduler.run(self._main)
        finally:
            lock._HELD.clear()
            self.storage.close_all()
            shutil.rmtree(top)

    @contextmanager
    def _in_place(self, top: Path) -> Iterator[None]:
        self.scheduler.hidden = str(top)
        world = World(self.scheduler)
        self.storage = Storage(top, self.scheduler)
        self.kernel = Kernel(self.scheduler, world.descriptors)
        self.host = Host(self.scheduler, self.kernel, self.storage, capabilities())
        with ExitStack() as places:
            for each in (world, self.storage, self.kernel):
                places.enter_context(each.in_place())
            places.enter_context(replaced(face, RealBackend=lambda cache_dir: Backend(self.host)))
            places.enter_context(replaced(faults, armed=True, hit=self._hit))
            places.enter_context(self._planted())
            yield

    def _hit(self, name: str, **about: Any) -> int:
        """A fault point: the thread may lose the processor, its actor may crash."""
        self.scheduler.checkpoint()
        current = self.scheduler.current
        acts = current is not None and current.name.startswith("embervirt-") and current.name not in NO_ACTORS
        if acts and name in CRASHING and self.random.random() < self._crashes:
            self.scheduler.note(f"bug at {name}")
            raise faults.Injected(f"at {name}")
        return 1

    # The host's life.

    def _main(self) -> None:
        for life in range(self.lives):
            self._life(f"agent{life}")
            self._check_files()
            self._while_nobody_looks()
            if self.random.random() < 0.4:
                self.scheduler.note("power loss")
                self.storage.power_loss()
                self.host.reboot()
                self.events.died(self.storage.top)
                self._torn = checks.torn(self.storage.top)
                self._check_files()
        self._calm()

    def _check_files(self) -> None:
        checks.files(self.storage.top, self.domains, self._torn)

    def _faults(self, *, on: bool) -> None:
        random = self.random.random
        self._crashes = random() ** 4 * 0.02 if on else 0.0
        self.storage.failing = self.random.choice((0.0, 0.0, 0.001, 0.02)) if on else 0.0
        self.storage.hanging = self.random.choice((0.0, 0.0, 0.001, 0.005)) if on else 0.0
        self.host.trouble = self.random.choice((0.0, 0.01, 0.1)) if on else 0.0
        self.host.slow = self.random.choice((0.0, 0.0, 0.02)) if on else 0.0

    def _life(self, name: str) -> None:
        """From an open to an orderly close, or to a death at any moment."""
        self._faults(on=self.random.random() < 0.7)
        agent = self.scheduler.spawn(name, self._agent, group=name)
        deadly = self.random.random() < 0.6
        end = self.scheduler.now + (self.random.random() ** 2 * 5 if deadly else PATIENCE)
        while not agent.done and self.scheduler.now < end:
            pause = self.random.random() * (0.5 if self.root is not None else 0.05)
            self.scheduler.until(lambda: agent.done, (agent.ended,), min(end, self.scheduler.now + pause))
            self._disturb()
        if not agent.done and not deadly:
            raise Failure("each request settles", f"{name} has not ended after {PATIENCE:g} s")
        self._die(name)

    def _die(self, name: str) -> None:
        self.scheduler.note(f"{name} is dead")
        self.scheduler.kill([task for task in self.scheduler.tasks if task.group == name])
        self.root = None
        self.events.died(self.storage.top)
        for qemu in self.host.qemus:
            for session in list(qemu.sessions):
                session.lose("the agent died")
        lock._HELD.clear()
        self.storage.close_all()

    def _agent(self) -> None:
        try:
            root = self._open()
        except libvirtError as error:
            self.scheduler.note(f"open failed: {error}")
            return
        checks.definitions(root, self.domains)
        threads = [self._client(root, own) for own in self.domains]
        self.scheduler.until(lambda: all(each.done for each in threads), [each.ended for each in threads])
        checks.looked_after(root)
        if self._close(root) and not (self.storage.hanging or self._crashes or root.bus.degraded):
            self.events.check_told(self.storage.top)  # on a full disk what still waits is lost, and said so

    def _open(self) -> Root:
        root = Root(self.storage.top, "qemu", {})
        self.root = root
        self.scheduler.spawn("subscriber", lambda: self.events.listen(root))
        return root

    def _client(self, root: Root, own: Domain) -> Task:
        client = Client(self.scheduler, root, self.host, own, self.domains, self.events.started)
        return self.scheduler.spawn(f"client-{own.name}", lambda: client.run(CALLS))

    def _close(self, root: Root) -> bool:
        """Whether it was an end in order."""
        self.root = None
        try:
            root.close()
        except libvirtError as error:
            self.scheduler.note(f"close failed: {error}")
            return False
        return not root.failed

    def _disturb(self) -> None:
        """One drawn mishap, now."""
        what = self.random.choice(MISHAPS)
        qemus = [each for each in self.host.qemus if each.alive]
        qemu = self.random.choice(qemus) if qemus else None
        root = self.root
        if what == "crash" and root is not None:
            path = self.random.choice(PATHS + tuple(f"guests/{id_}" for id_ in _guests(root)))
            self.scheduler.note(f"crash of {path}")
            root.supervisor.crash(("root", *path.split("/")), RuntimeError("crashed on purpose"))
        elif qemu is None:
            return
        elif what == "kill":
            self.kernel.kill(qemu.process, signal.SIGKILL)
        elif what == "stop":
            self.kernel.kill(qemu.process, signal.SIGSTOP)
            later = self.scheduler.now + self.random.random() ** 2 * 30
            self.scheduler.call_at(later, lambda: self.kernel.kill(qemu.process, signal.SIGCONT))
        elif what == "cut" and qemu.sessions:
            self.random.choice(qemu.sessions).lose("Connection reset by peer")
        elif what in ("shuts down", "resets", "panics", "disk fails"):
            qemu.guest(what)

    def _while_nobody_looks(self) -> None:
        """Guests end, and strangers get the numbers of their processes."""
        for qemu in list(self.host.qemus):
            what = self.random.choice(AWAY)
            if what == "is killed":
                self.kernel.kill(qemu.process, signal.SIGKILL)
                self.kernel.stranger(qemu.process.pid)
            elif what != "nothing":
                qemu.guest(what)
        self.scheduler.let_pass(self.random.random() ** 2)

    def _calm(self) -> None:
        """No faults any more: open once more, and all is as the QEMUs say."""
        self._faults(on=False)
        self.scheduler.stalls = 0.0
        for qemu in self.host.qemus:
            self.kernel.kill(qemu.process, signal.SIGCONT)
        agent = self.scheduler.spawn("last", self._last, group="last")
        self.scheduler.until(lambda: agent.done, (agent.ended,), self.scheduler.now + PATIENCE)
        if not agent.done:
            raise Failure("each request settles", f"the last agent has not ended after {PATIENCE:g} s")
        self._die("last")
        self._check_files()

    def _last(self) -> None:
        root = self._open()
        checks.definitions(root, self.domains)
        self.scheduler.let_pass(CALM)
        checks.truth(root, self.host, self.domains)
        checks.looked_after(root)
        checks.leftovers(self.storage.top, self.host)
        self.events.check_journal(self.storage.top)
        self._close(root)


CRASHING = frozenset({
    *("message.received", "reply.sent", "event.published", "event.journalled", "actor.starting"),
    *("file.renamed", "file.removed", "process.spawning", "process.spawned", "qmp.sent", "journal.intent"),
    *("journal.mark", "journal.result"),
})
"""Points in an actor's thread at which a bug is simulated."""

NO_ACTORS = frozenset({"embervirt-supervisor", "embervirt-exchange", "embervirt-ending"})
AWAY = ("nothing", "shuts down", "resets", "disk fails", "is killed", "is killed")
PATHS = ("events", "processes", "drivers/qemu", "drivers/qemu")
MISHAPS = (
    *("crash", "crash", "kill", "stop", "cut", "nothing", "nothing", "nothing", "nothing"),
    *("shuts down", "resets", "disk fails"),
)


def _guests(root: Root) -> list[str]:
    found = root.supervisor.tree.find(("root", "guests"))
    return [] if found is None else list(found.children)


@contextmanager
def replaced(module: Any, **names: Any) -> Iterator[None]:
    """Other things under these names of a module or a class, while this lasts."""
    before = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
