"""Descriptors 0, 1 and 2 are the host program's; one that it closed is kept from what is opened here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD = 3
"""Descriptors below are standard input, output and error."""


@contextmanager
def standard_descriptors() -> Iterator[None]:
    """While this lasts, closed ones of them are /dev/null.

    Otherwise a lock or a monitor would become standard error, to be written to by whoever writes there, and
    could not be passed on to a process that has its own. Raises OSError.
    """
    held: list[int] = []
    try:
        while (opened := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) < STANDARD:
            held.append(opened)
        os.close(opened)
        yield
    finally:
        for each in held:
            os.close(each)
