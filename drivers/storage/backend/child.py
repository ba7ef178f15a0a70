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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from embervirt import disk
from embervirt.drivers.storage.errors import StorageInternal, StorageSystemError
from embervirt.drivers.storage.jobs import Job
from embervirt.supervisor import search
from embervirt.supervisor.recorder import Spawned, read_status, reap, spawn

PERCENT = re.compile(rb"\(([0-9]+\.[0-9]+)/100%\)")
"""As qemu-img -p prints it, after each a carriage return."""

GIVEN = re.compile("/proc/self/fd/([0-9]+)")
"""How a program's arguments name a descriptor that it was given."""

NOTHING: Mapping[int, str] = {}

STATUS = ".status"
"""How the name of the file ends that says how a program ended."""

LONGEST = 64 << 10
"""Bytes of a program's complaint that are kept."""

REAPED = 5.0
"""Seconds that a recorder may take after its program's end; it needs a millisecond."""


SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where programs are that a user's PATH may not lead to."""

INTO_FILE = ("bash", "-p", "-c", 'exec "$@" >"$0"')
"""Runs a program whose output goes to the file ``$0``, and nothing else of it changes."""


def find(program: str) -> str:
    """Its path. Raises StorageSystemError."""
    found = shutil.which(program) or shutil.which(program, path=SYSTEM)
    if found is None:
        raise StorageSystemError(f"Cannot find '{program}' in path: No such file or directory", int1=2)
    return found


def run(
    job: Job,
    argv: Sequence[str],
    scratch: Path,
    total: int = 0,
    *,
    output: Path | None = None,
    given: Mapping[int, str] = NOTHING,
    growing: int | None = None,
) -> None:
    """Run a program to its end; ``scratch``: a folder for its status. ``total``: bytes that 100 % stands for.
    ``output``: a file that gets what it prints, and then only what it complains about is in an error.
    ``given``: descriptors that it has too, and what an error calls each instead of its path in /proc.
    ``growing``: a descriptor of what it writes, which is synced then: that begins at each step of progress.

    Raises StorageInternal with its status and all it said, OperationAborted when the job was cancelled: it
    was ended then.
    """
    status_file = scratch / f"{job.row.id}{STATUS}"
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        try:
            before = () if output is None else (*INTO_FILE, str(output))
            words = [*before, find(argv[0]), *argv[1:]]
            spawned = spawn(words, status_file=status_file, log_fd=writer, pass_fds=given)
        finally:
            os.close(writer)
        try:
            said = _listen(job, reader, total, growing)
        except BaseException:
            _kill(spawned)
            raise
        finally:
            reap(spawned, REAPED)
        _check(argv, read_status(status_file), said, given)
    finally:
        os.close(reader)
        disk.unlink(status_file, missing_ok=True)


def end_left(scratch: Path, job: str) -> None:
    """Kill the program of a job whose process is gone; it would write on for nobody."""
    for recorder in search.carrying(str(scratch / f"{job}{STATUS}")):
        if search.records(recorder):
            with suppress(ProcessLookupError):
                os.killpg(recorder, signal.SIGKILL)  # it leads the session that both are in


def sweep(scratch: Path) -> None:
    """Remove what programs of an earlier process said at their end, and nobody read."""
    for path in (*scratch.glob(f"*{STATUS}"), *scratch.glob("*.out")):
        disk.unlink(path, missing_ok=True)


def _listen(job: Job, reader: int, total: int, growing: int | None) -> bytes:
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
        for share in shares:
            job.step(int(total * share / 100))
        if shares and growing is not None:
            disk.begin_sync(growing)
        kept = [line for line in (*lines, rest) if not PERCENT.search(line)]
        said = b"\n".join(kept)[-LONGEST:]


def _kill(spawned: Spawned) -> None:
    pidfd = spawned.hold()
    if pidfd is not None:
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _check(argv: Sequence[str], status: int | None, said: bytes, given: Mapping[int, str]) -> None:
    if status == 0:
        return
    how = f"unexpected exit status {status}" if status is None or status > 0 else f"fatal signal {-status}"
    text = f"Child process ({' '.join(argv)}) {how}: {said.decode(errors='replace').strip()}"
    raise StorageInternal(GIVEN.sub(lambda found: given.get(int(found[1]), found[0]), text))
