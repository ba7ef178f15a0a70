"""Programs that work on volumes, qemu-img above all: supervised children, their progress and their errors.

They run under a recorder, so their exit status is known whatever the host program does with its children.
What they print goes into a pipe, which ends when they do.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from embervirt import disk
from embervirt.drivers.storage.errors import StorageInternal, StorageSystemError
from embervirt.drivers.storage.jobs import Job
from embervirt.supervisor.recorder import Spawned, read_status, reap, spawn

PERCENT = re.compile(rb"\(([0-9]+\.[0-9]+)/100%\)")
"""As qemu-img -p prints it, after each a carriage return."""

LONGEST = 64 << 10
"""Bytes of a program's complaint that are kept."""

REAPED = 5.0
"""Seconds that a recorder may take after its program's end; it needs a millisecond."""


def find(program: str) -> str:
    """Its path. Raises StorageSystemError."""
    found = shutil.which(program)
    if found is None:
        raise StorageSystemError(f"Cannot find '{program}' in path: No such file or directory", int1=2)
    return found


def run(job: Job, argv: Sequence[str], scratch: Path, total: int = 0) -> None:
    """Run a program to its end; ``scratch``: a folder for its status. ``total``: bytes that 100 % stands for.

    Raises StorageInternal with its status and all it said, OperationAborted when the job was cancelled: it
    was ended then.
    """
    status_file = scratch / f"{job.row.id}.status"
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        try:
            spawned = spawn([find(argv[0]), *argv[1:]], status_file=status_file, log_fd=writer)
        finally:
            os.close(writer)
        try:
            said = _listen(job, reader, total)
        except BaseException:
            _kill(spawned)
            raise
        finally:
            reap(spawned, REAPED)
        _check(argv, read_status(status_file), said)
    finally:
        os.close(reader)
        disk.unlink(status_file, missing_ok=True)


def _listen(job: Job, reader: int, total: int) -> bytes:
    """All that it printed but its progress."""
    said = b""
    while True:
        if not job.wait(reader, select.POLLIN):
            continue
        data = os.read(reader, 65536)
        if not data:
            return said
        *lines, rest = re.split(rb"[\r\n]", said + data)
        shares = [float(found[1]) for line in (*lines, rest) if (found := PERCENT.search(line))]
        if shares:
            job.step(int(total * shares[-1] / 100))
        kept = [line for line in (*lines, rest) if not PERCENT.search(line)]
        said = b"\n".join(kept)[-LONGEST:]


def _kill(spawned: Spawned) -> None:
    pidfd = spawned.hold()
    if pidfd is not None:
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _check(argv: Sequence[str], status: int | None, said: bytes) -> None:
    if status == 0:
        return
    how = f"unexpected exit status {status}" if status is None or status > 0 else f"fatal signal {-status}"
    text = said.decode(errors="replace").strip()
    raise StorageInternal(f"Child process ({' '.join(argv)}) {how}: {text}")
