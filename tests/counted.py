"""What a process holds open, for tests that nothing leaks."""

from __future__ import annotations

import gc
import threading

import psutil

from guest.domain import wait_until


def descriptors() -> int:
    """Of this process, but for those of what nothing refers to any more: an earlier test's, say."""
    gc.collect()
    return psutil.Process().num_fds()


def open_and_running() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    return descriptors(), threading.active_count()


def no_more_than(before: tuple[int, int]) -> bool:
    """Waits until there are not: a thread has told its end before it is over."""
    wait_until(lambda: all(now <= then for now, then in zip(open_and_running(), before, strict=True)))
    return True
