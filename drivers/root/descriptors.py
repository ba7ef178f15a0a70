"""What is opened here needs descriptors, and never one of the three that are the host program's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack

STANDARD = 3
"""Descriptors below are standard input, output and error."""


def spare_standard() -> None:
    """Make those of them /dev/null that the host program has closed, and leave them so.

    Otherwise a lock or a monitor would become standard error, to be written to by whoever writes there, and
    could not be passed on to a process that has its own. Raises OSError.
    """
    opened = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    while opened < STANDARD:
        opened = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.close(opened)


def close_all(descriptors: Iterable[int]) -> None:
    """Of several that were opened for one thing."""
    for each in descriptors:
        os.close(each)


def check_spare(count: int) -> None:
    """That so many more can be opened: libzmq ends the process when it gets none. Raises OSError (EMFILE)."""
    with ExitStack() as held:
        for _ in range(count):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
