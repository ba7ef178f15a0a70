"""Time, threads, waiting, chance and sockets, as the lower layers take them: real, or a simulation's.

Written ``world.monotonic()``, never ``from embervirt.world import monotonic``, so that ``substituted``
reaches every user. Being plain names of a module, the real ones cost nothing more than without it.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import zmq
from zmq import devices

monotonic: Callable[[], float] = time.monotonic
"""Seconds; stands still while the host is suspended (CLOCK_MONOTONIC), so deadlines and windows do too."""

wall: Callable[[], float] = time.time
"""Unix time in seconds: for people to read, never to compute with."""

uniform: Callable[[float, float], float] = random.Random().uniform
"""Chance, for the jitter of delays."""

token_bytes: Callable[[int], bytes] = os.urandom
"""Ids that nobody guesses and nobody else has."""

FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
"""Signals that a thread causes itself, by what it executes."""

SIGNALS = signal.valid_signals() - FAULTS


class OwnThread(threading.Thread):
    """A thread that takes none of the program's signals, nor SIGPIPE for what it writes itself.

    A program that blocks a signal in its threads, and waits for it, does not know of ours: the kernel would
    give it to one of these. ``mask`` is the one that the program's own code has, see ``programs_signals``.
    """

    mask: set[int]

    def start(self) -> None:
        """As threading's; the thread begins with the mask that its starter has at that moment."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.mask = getattr(threading.current_thread(), "mask", before)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def programs_signals() -> Iterator[None]:
    """Around a callback of the program: it and its children have its mask, on a thread of ours too."""
    mask = getattr(threading.current_thread(), "mask", None)
    if mask is None:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


Thread: Any = OwnThread
current_thread: Callable[[], Any] = threading.current_thread
Lock: Callable[[], Any] = threading.Lock
RLock: Callable[[], Any] = threading.RLock
Condition: Callable[..., Any] = threading.Condition
SimpleQueue: Any = queue.SimpleQueue

wait: Callable[..., Any] = concurrent.futures.wait
"""For futures, before their results are looked at."""

Context: Any = zmq.Context
Poller: Any = zmq.Poller
monitored_queue: Callable[..., Any] = devices.monitored_queue
proxy: Callable[..., Any] = zmq.proxy


class Wake:
    """Lets any thread end the poll of another: readable from ``ring`` until ``clear``."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """For a poller."""
        return self._descriptor

    def ring(self) -> None:
        """From any thread, until ``close``."""
        os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Once it was seen readable."""
        os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Once."""
        os.close(self._descriptor)


make_wake: Callable[[], Wake] = Wake


def substitution(module: dict[str, Any]) -> Callable[..., AbstractContextManager[None]]:
    """The function ``substituted`` of a module, whose ``globals()`` are given."""

    @contextmanager
    def substituted(**names: Any) -> Iterator[None]:
        before = {name: module[name] for name in names}
        module.update(names)
        try:
            yield
        finally:
            module.update(before)

    return substituted


substituted = substitution(globals())
"""Puts other things in the place of these names, in all of the process, the real ones back afterwards."""
