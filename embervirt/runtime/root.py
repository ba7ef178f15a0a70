"""One open root: what is made when it opens, in order, and undone when it closes, in reverse."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import zmq

from embervirt import disk, world
from embervirt.actors import event_log
from embervirt.actors.bus import Bus
from embervirt.actors.messages import Request
from embervirt.actors.subscription import Subscription
from embervirt.config.load import Loaded, load
from embervirt.drivers.driver import DRIVERS, Environment, KeyProvider, Part
from embervirt.drivers.root.descriptors import check_spare, spare_standard
from embervirt.drivers.root.files import make_directories, settle, sweep, tell_no_more, tell_refusals
from embervirt.drivers.root.journal import Journal, Operation
from embervirt.drivers.root.lock import RootLock
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import (
    ActorUnavailable,
    ForkedError,
    InternalError,
    InvalidConnection,
    OperationTimeout,
    SystemError_,
)
from embervirt.log import get_logger
from embervirt.runtime import drivers
from embervirt.runtime.gateway import open_door
from embervirt.runtime.probe import refusals
from embervirt.runtime.tree import journal_of_events, limits, root_spec
from embervirt.supervisor.report import Health, Node
from embervirt.supervisor.supervisor import Supervisor

R = TypeVar("R")
DESCRIPTORS = 48
"""That must be left when a root is opened: without guests it needs 28, and one for each concurrent call."""


class Root:
    """Shared by all connections to one root directory. Made by ``registry.acquire`` only."""

    def __init__(
        self, path: Path, driver: str, overrides: Mapping[str, Any], secret_key: KeyProvider | None = None
    ) -> None:
        self.paths = RootPaths(path)
        _check_directory(self.paths.path)
        self.configuration: Loaded = load(self.paths.path, os.environ, overrides)
        self.settings = self.configuration.settings
        self.failed: str = ""
        self.on_failed: list[Callable[[str], None]] = []
        self.before_close: list[Callable[[], object]] = []
        self._parts: dict[str, Part] = {}
        self._opening = world.Lock()
        with _explained(f"open root {self.paths.path}"), ExitStack() as undo:
            self._open(undo, driver, secret_key)
            self._close = undo.pop_all()

    def _open(self, undo: ExitStack, driver: str, secret_key: KeyProvider | None) -> None:
        spare_standard()
        check_spare(DESCRIPTORS)
        made = _missing_directories(self.paths)
        undo.callback(_remove_empty, made)
        make_directories(self.paths.directories)
        settle(_parents(self.paths, made))
        self.lock = RootLock.acquire(self.paths)
        undo.callback(self.lock.release)
        undo.callback(_remove_content, made)
        for each in self.paths.directories:
            sweep(each)
        chosen = self.settings.calls
        self.bus = Bus(chosen.deadline, chosen.mailbox, chosen.in_flight)
        undo.callback(self.bus.close)
        resources = undo.enter_context(ExitStack())
        self.journal = Journal(self.paths.own_lib / "operations.jsonl")
        resources.callback(self.journal.close)
        self.gateway = open_door(self.paths, self.settings, self.bus, resources)
        spec = root_spec(self.paths, self.settings, self.bus, self.gateway)
        self.supervisor = Supervisor(spec, self.bus, on_failed=self._failed, limits=limits(self.settings))
        self.environment = Environment(
            self.paths, self.settings, self.bus, self.supervisor, resources, self.journal, secret_key
        )
        self.bus.routes.missing = self._missing
        tell_refusals(self.paths.path, refusals(self.settings, self.bus, self.supervisor))
        undo.callback(tell_no_more, self.paths.path)
        started = self.supervisor.start()
        undo.push(self._stop_after)
        self._wait(started, ("root",))
        self.part(driver)
        made.clear()

    def _failed(self, why: str) -> None:
        self.failed = why
        for tell in list(self.on_failed):
            tell(why)

    def _stop_after(self, _: object, error: BaseException | None, __: object) -> None:
        """What kept the root from opening is told, rather than that it kept it from closing too."""
        try:
            self._stop()
        except InternalError as left:
            if error is None:
                raise
            get_logger(root=str(self.paths.path)).error("a failed open does not stop", why=str(left))

    def _stop(self) -> None:
        self.bus.routes.close(InvalidConnection("the root was closed"))
        if not self.supervisor.close(self.settings.calls.deadline):
            left = self.supervisor.unsettled(("root",))
            raise InternalError(f"root {self.paths.path} did not stop; it waits for: {left}")
        event_log.settle(journal_of_events(self.paths), self.bus)

    def part(self, name: str) -> Part:
        """The driver ``name``, started on first use. Raises NoConnect, or what kept it from starting."""
        part = self._parts.get(name)
        return part or self._start_part(name)

    def _start_part(self, name: str) -> Part:
        with self._opening:
            part = self._parts.get(name)
            if part is not None:
                return part
            driver = drivers.find(name)
            part = driver.open(self.environment)
            started = self.supervisor.start_child(DRIVERS, part.spec, before=drivers.after(name))
            self._wait(started, (*DRIVERS, part.spec.id))
            part.settle()
            self._parts[name] = part
        part.begin()
        return part

    def _wait(self, started: Future[None], path: tuple[str, ...]) -> None:
        """Raises OperationTimeout that says who is not up, or what the start of one failed with."""
        seconds = self.settings.calls.deadline
        if not world.wait([started], seconds).done:
            late = f"{'/'.join(path)} was not up within {seconds:g} s"
            raise OperationTimeout(f"{late}; it waits for: {self.supervisor.unsettled(path)}")
        started.result()

    def _missing(self, name: str) -> None:
        """A call for a name nobody has: a driver that was not used yet, or nobody at all."""
        if name not in drivers.installed() or name in self._parts:
            raise ActorUnavailable(f"no actor named {name} runs under this root")
        self.part(name)

    def check_open(self) -> None:
        """Raises InvalidConnection once the root is closed or has failed."""
        self.bus.routes.check_open()

    def call(self, name: str, request: Request[R]) -> R:
        """Ask an actor of this root; see ``Bus.call``."""
        return self.bus.call(name, request)

    def subscribe(self, since: int | None = None) -> Subscription:
        """The events of this root from now on, or after number ``since``."""
        with _explained(f"subscribe to the events of root {self.paths.path}"):
            return Subscription(self.bus, since=since, queue=self.settings.events.queue)

    def operation(self, id_: str) -> Operation:
        """What became of an operation, also of an earlier process. Raises InvalidArgument if unknown."""
        return self.journal.get(id_)

    def cancel(self, id_: str) -> None:
        """Ask an operation to stop and undo itself. Raises OperationInvalid when it is too late for that."""
        self.journal.cancel(id_)

    def tree(self) -> Node:
        """The supervision tree as it stands."""
        return self.supervisor.picture()

    def health(self) -> Health:
        """What does not work as it should, how many actors are in which state, threads that were given up."""
        return self.supervisor.health()

    def crash(self, path: str, error: BaseException | None = None) -> None:
        """Crash an actor, ``drivers/qemu`` say, as a bug in it would; its supervisor does the rest."""
        self.supervisor.crash(("root", *path.split("/")), error or RuntimeError("crashed on purpose"))

    def close(self) -> None:
        """Stop the actors and free everything; guests run on. May be repeated."""
        while self.before_close:
            self.before_close.pop(0)()
        self._close.close()

    def disown(self) -> None:
        """In a forked child: every handle raises ForkedError, also those that only look something up."""
        self.bus.routes.closed = ForkedError("this process was forked from the one that opened the root")


def _check_directory(path: Path) -> None:
    """Before a settings file is looked for in it. Raises SystemError_ (ENOTDIR)."""
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir():
        text = f"cannot create directory '{path}': {os.strerror(errno.ENOTDIR)}: '{there}'"
        raise SystemError_(text, int1=errno.ENOTDIR)


def _missing_directories(paths: RootPaths) -> list[Path]:
    """What opening this root will create, parents first."""
    wanted = {parent for each in paths.directories for parent in (each, *each.parents)}
    return sorted(each for each in wanted if not each.exists())


def _parents(paths: RootPaths, made: list[Path]) -> list[Path]:
    """Directories with directories of the root in them, which a power loss must not take with a definition.

    All of them at each open: whoever made them may have died before they were on disk. What is above the root
    may be a directory that we can enter and not read; that cannot be synced.
    """
    inside = {each for path in paths.directories for each in path.parents if each.is_relative_to(paths.path)}
    above = {path.parent for path in made if os.access(path.parent, os.R_OK)}
    return sorted(inside | above)


def _remove_content(made: list[Path]) -> None:
    """A failed open leaves nothing behind: what is in directories it made is its own, for it had the lock."""
    for directory in made:
        for each in directory.iterdir() if directory.is_dir() else ():
            if each not in made:
                disk.unlink(each)


def _remove_empty(made: list[Path]) -> None:
    """The directories themselves; what is not empty belongs to somebody."""
    for directory in reversed(made):
        if directory.is_dir() and not any(directory.iterdir()):
            disk.remove_directory(directory)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What the system said, no descriptors left say, as an error of the tree."""
    try:
        yield
    except (OSError, zmq.ZMQError) as error:
        raise SystemError_(f"cannot {what}: {error.strerror}", int1=error.errno or -1) from error
