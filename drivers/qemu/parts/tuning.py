"""Threads for I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.tuning import DefaultIoThread, IoThread
from embervirt.drivers.qemu.parts.part import Object, Part


def iothreads(domain: Domain) -> Iterator[Part]:
    """The main loop when it has bounds, then each thread."""
    if domain.default_iothread:
        yield Object("main-loop", "main-loop", _pool(domain.default_iothread))
    for thread in domain.iothreads:
        yield iothread(thread)


def iothread(thread: IoThread) -> Object:
    """One thread; it can be plugged."""
    return Object("iothread", f"iothread{thread.id}", _pool(thread))


def _pool(thread: IoThread | DefaultIoThread) -> dict[str, Any]:
    given = {"thread-pool-min": thread.pool_min, "thread-pool-max": thread.pool_max}
    return {name: value for name, value in given.items() if value is not None}
