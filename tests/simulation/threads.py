"""What ``embervirt.world`` has of threads, locks and queues, on a simulated scheduler."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from simulation.scheduler import NEVER, Scheduler, Signal, Task


def until(scheduler: Scheduler, timeout: float | None) -> float:
    """A time-out as a deadline; None and the -1 of locks are for ever."""
    return NEVER if timeout is None or timeout == -1 else scheduler.now + max(0.0, timeout)


class Lock:
    """``threading.Lock`` and, when ``again``, ``threading.RLock``."""

    def __init__(self, scheduler: Scheduler, *, again: bool = False) -> None:
        self._scheduler, self._again = scheduler, again
        self._owner: Task | None = None
        self._count = 0
        self._freed = Signal()

    def _take(self) -> bool:
        me = self._scheduler.current
        if self._count and not (self._again and self._owner is me):
            return False
        self._owner, self._count = me, self._count + 1
        return True

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading``'s."""
        if not blocking:
            return self._take()
        return self._scheduler.until(self._take, (self._freed,), until(self._scheduler, timeout))

    def release(self) -> None:
        """As ``threading``'s; raises RuntimeError for a lock that is free."""
        if not self._count:
            raise RuntimeError("release of a lock that is free")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._freed.fire()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._count > 0

    def let_go(self) -> int:
        """However often it was taken: what a condition does while it waits."""
        count, self._count = self._count, 1
        self.release()
        return count

    def take_back(self, count: int) -> None:
        """After ``let_go``."""
        self.acquire()
        self._count = count

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Condition:
    """``threading.Condition``; who waits is woken by ``notify`` in the order drawn by the scheduler."""

    def __init__(self, scheduler: Scheduler, lock: Lock | None = None) -> None:
        self._scheduler = scheduler
        self._lock = Lock(scheduler, again=True) if lock is None else lock
        self._waiting: deque[list[bool]] = deque()
        self._told = Signal()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """As ``threading``'s."""
        told = [False]
        self._waiting.append(told)
        deadline, count = until(self._scheduler, timeout), self._lock.let_go()
        try:
            return self._scheduler.until(lambda: told[0], (self._told,), deadline)
        finally:
            if told in self._waiting:
                self._waiting = deque(each for each in self._waiting if each is not told)
            self._lock.take_back(count)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """As ``threading``'s."""
        deadline = until(self._scheduler, timeout)
        while not (result := predicate()) and self._scheduler.now < deadline:
            self.wait(None if deadline == NEVER else deadline - self._scheduler.now)
        return result

    def notify(self, n: int = 1) -> None:
        """As ``threading``'s."""
        for _ in range(min(n, len(self._waiting))):
            self._waiting.popleft()[0] = True
        self._told.fire()

    def notify_all(self) -> None:
        """As ``threading``'s."""
        self.notify(len(self._waiting))


class Event:
    """``threading.Event``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._signal, self._set = scheduler, Signal(), False

    def is_set(self) -> bool:
        """As ``threading``'s."""
        return self._set

    def set(self) -> None:
        """As ``threading``'s."""
        self._set = True
        self._signal.fire()

    def clear(self) -> None:
        """As ``threading``'s."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """As ``threading``'s."""
        return self._scheduler.until(self.is_set, (self._signal,), until(self._scheduler, timeout))


class SimpleQueue:
    """``queue.SimpleQueue``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._items, self._filled = scheduler, deque[Any](), Signal()

    def put(self, item: Any) -> None:
        """Never waits."""
        self._scheduler.checkpoint()
        self._items.append(item)
        self._filled.fire()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As ``queue``'s. Raises ``queue.Empty``."""
        deadline = until(self._scheduler, timeout if block else 0)
        if not self._scheduler.until(lambda: self._items, (self._filled,), deadline):
            raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        """As ``queue``'s."""
        return not self._items


class Thread:
    """``threading.Thread``, as far as embervirt uses it."""

    def __init__(
        self,
        scheduler: Scheduler,
        target: Callable[..., object] | None = None,
        name: str = "thread",
        args: tuple[Any, ...] = (),
        daemon: bool = True,
    ) -> None:
        self._scheduler, self.name, self.daemon = scheduler, name, daemon
        self._target, self._args = target, args
        self._task: Task | None = None

    @property
    def ident(self) -> int | None:
        """None before its start."""
        return None if self._task is None else id(self)

    def start(self) -> None:
        """As ``threading``'s."""
        self._scheduler.checkpoint()
        target = self._target
        assert target is not None and self._task is None
        self._task = self._scheduler.spawn(self.name, lambda: target(*self._args))
        self._task.thread = self

    def is_alive(self) -> bool:
        """As ``threading``'s."""
        return self._task is not None and not self._task.done

    def join(self, timeout: float | None = None) -> None:
        """As ``threading``'s."""
        task = self._task
        assert task is not None
        self._scheduler.until(lambda: task.done, (task.ended,), until(self._scheduler, timeout))


class Threading:
    """Stands for the module ``threading`` where the standard library's futures look for it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    def Lock(self) -> Any:  # noqa: N802
        """As the module's."""
        return Lock(self._scheduler)

    def RLock(self) -> Any:  # noqa: N802
        """As the module's."""
        return Lock(self._scheduler, again=True)

    def Condition(self, lock: Any = None) -> Any:  # noqa: N802
        """As the module's."""
        return Condition(self._scheduler, lock)

    def Event(self) -> Any:  # noqa: N802
        """As the module's."""
        return Event(self._scheduler)

    def Thread(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """As the module's."""
        return Thread(self._scheduler, *args, **kwargs)

    def current_thread(self) -> Any:
        """The thread that runs; one that no ``Thread`` started stands for itself."""
        task = self._scheduler.current
        return task if task is None or task.thread is None else task.thread
