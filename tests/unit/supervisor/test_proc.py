"""What proc says of a process, and of one that is gone."""

from __future__ import annotations

import os
import subprocess
import threading
import time

from embervirt.supervisor import proc


def ended() -> int:
    """The pid of a process that is gone."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_fields_have_the_numbers_of_the_manual() -> None:
    """Of a process, and of a thread of it."""
    fields, thread = proc.stat(os.getpid()), proc.stat(os.getpid(), threading.get_native_id())
    assert int(fields[proc.PARENT]) == int(thread[proc.PARENT]) == os.getppid()
    assert fields[proc.STATE] in (b"R", b"S")
    assert int(thread[proc.START_TIME]) >= int(fields[proc.START_TIME]) > 0
    assert 0 <= int(thread[proc.PROCESSOR]) < (os.cpu_count() or 1)


def test_a_name_with_brackets_and_blanks_moves_no_field() -> None:
    """The kernel writes it as it is."""
    with open("/proc/self/comm", "rb+") as comm:  # noqa: PTH123
        before = comm.read()
    try:
        _rename(b"a) Z 1 (b")
        assert int(proc.stat(os.getpid())[proc.PARENT]) == os.getppid()
    finally:
        _rename(before.strip())


def _rename(name: bytes) -> None:
    with open(f"/proc/{os.getpid()}/comm", "wb") as comm:  # noqa: PTH123
        comm.write(name)


def test_cpu_times_are_those_the_process_had() -> None:
    """Within a tick of what the kernel tells itself."""
    before = sum(os.times()[:2])
    while sum(os.times()[:2]) < before + 0.05:
        pass
    low = time.process_time_ns() - 4 * proc.TICK
    assert low <= sum(proc.cpu_times(os.getpid())) <= time.process_time_ns() + 4 * proc.TICK


def test_of_one_that_is_gone_nothing_is_told() -> None:
    """No error: it may end at any time."""
    pid = ended()
    assert proc.read(pid, "cmdline") == b""
    assert proc.stat(pid) == {}
    assert proc.stat(os.getpid(), pid) == {}
    assert proc.cpu_times(pid) == (0, 0)
