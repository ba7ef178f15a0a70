"""A memory cgroup of a test, with a limit: what is started in it may be ended by the OOM killer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embervirt.supervisor import oom

BOUNDED = 512 << 20
"""Bytes: enough for a small guest and its QEMU."""

GREEDY = {
    "execute": "object-add",
    "arguments": {"qom-type": "memory-backend-ram", "id": "greedy", "size": 2 * BOUNDED, "prealloc": True},
}
"""Told to a QEMU, it takes more than that."""

OOM = ", out of memory: the OOM killer struck in its cgroup (oom_kill +1)"

LIMITS = {"memory.oom_control": "memory.limit_in_bytes", "memory.events": "memory.max"}


@contextmanager
def limited(size: int) -> Iterator[Callable[[], None]]:
    """A group of ``size`` bytes that this process is in, until it calls what it is given; its children stay.

    Where nobody counts or we may make none, the test is skipped. All must have left at the end.
    """
    own = oom.group_of(os.getpid())
    if own is None:
        pytest.skip("no memory cgroup counts for this process")
    home, counter = Path(own.file).parent, Path(own.file).name
    # In v2 what has processes has no groups below it that are limited.
    made = (home if counter == "memory.oom_control" else home.parent) / f"embervirt-test-{os.getpid()}"

    def leave() -> None:
        (home / "cgroup.procs").write_text(str(os.getpid()))

    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made: {error}")
    try:
        (made / LIMITS[counter]).write_text(str(size))
        (made / "cgroup.procs").write_text(str(os.getpid()))
        yield leave
    finally:
        leave()
        made.rmdir()
