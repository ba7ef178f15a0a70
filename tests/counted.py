"""What a process holds open, for tests that nothing leaks."""

from __future__ import annotations

import gc

import psutil


def descriptors() -> int:
    """Of this process, but for those of what nothing refers to any more: an earlier test's, say."""
    gc.collect()
    return psutil.Process().num_fds()
