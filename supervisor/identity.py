"""Processes that are not ours to trust by number alone: who they are, and a hold on exactly that one.

A pid is reused; a pidfd is not. Every hold is taken in one order: open the pidfd, compare what proc
says about the number, then poll the pidfd once. Only if it has not fired by then was it the compared
process that the pidfd denotes (pidfd_open(2)). Boot id, pid and start time together are unique; the start
time, field 22 of proc's ``stat`` (proc(5)), does not change over exec.
"""

from __future__ import annotations

import errno
import functools
import os
import select
import signal
from types import TracebackType
from typing import Annotated

import msgspec

from embervirt import faults
from embervirt.supervisor import proc

PID_MAX = 4194304
"""The kernel's upper limit of pids on 64-bit machines (proc(5), ``pid_max``)."""

NOT_A_PROCESS = frozenset({errno.ESRCH, errno.EINVAL, errno.ENOENT})
"""pidfd_open(2) of a number nobody has, and (EINVAL, in newer kernels ENOENT) of a thread's number."""


class Identity(msgspec.Struct, frozen=True):
    """What tells one process from every other, also after a restart of its agent or the host.

    ``boot_id`` is the kernel's, ``start_time`` in clock ticks since boot, ``exe`` the (device, inode) of
    the executable when it was identified, ``nonce`` a text that its command line has and no other's.
    """

    boot_id: str
    pid: Annotated[int, msgspec.Meta(ge=1, le=PID_MAX)]
    start_time: int
    exe: tuple[int, int]
    nonce: str


@functools.cache
def boot_id() -> str:
    """The kernel's random id of this boot (random(4))."""
    return proc.boot()


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of ``pid``, zombie or not; None when there is no such process."""
    return _field(pid, proc.START_TIME)


def parent(pid: int) -> int | None:
    """Pid of the present parent of ``pid``; None when there is no such process."""
    return _field(pid, proc.PARENT)


def stopped(pid: int) -> bool:
    """Whether ``pid`` is stopped by a signal or a debugger."""
    return proc.stat(pid).get(proc.STATE) in (b"T", b"t")


def _field(pid: int, field: int) -> int | None:
    value = proc.stat(pid).get(field)
    return None if value is None else int(value)


def command_line(pid: int) -> bytes:
    """Its arguments, each with a zero byte behind it; empty when the process is gone, or has none."""
    return proc.read(pid, "cmdline")


def rights(pid: int) -> tuple[int, int] | None:
    """User and group that it acts as (proc(5), ``status``); None when it is gone."""
    fields = dict(line.split(b":", 1) for line in proc.read(pid, "status").splitlines())
    return (int(fields[b"Uid"].split()[1]), int(fields[b"Gid"].split()[1])) if fields else None


def hold(pid: int, start: int) -> int | None:
    """A descriptor (close-on-exec) of the process of this boot with that pid and start time, zombie or not.

    The caller closes it. None when that process is gone.
    """
    held = _open(pid)
    if held is None or start_time(pid) == start:
        return held
    os.close(held)
    return None


def identify(pid: int, nonce: str) -> Identity | None:
    """Who ``pid`` is now; None when it is gone, is a zombie, or ``nonce`` is not on its command line.

    Raises PermissionError for a process whose executable this user may not see.
    """
    held = _open(pid)
    if held is None:
        return None
    try:
        ticks, exe = start_time(pid), proc.executable(pid)
        if ticks is None or exe is None or not _carries(pid, nonce) or has_exited(held):
            return None
        return Identity(boot_id(), pid, ticks, exe, nonce)
    finally:
        os.close(held)


def open_pidfd(identity: Identity) -> int | None:
    """A descriptor (close-on-exec) of exactly that process, the caller's to close; None when it has ended."""
    if identity.boot_id != boot_id():
        return None
    held = hold(identity.pid, identity.start_time)
    if held is None:
        return None
    if _carries(identity.pid, identity.nonce) and not has_exited(held):
        return held
    os.close(held)
    return None


def send_signal(pidfd: int, number: int) -> bool:
    """Sends signal ``number``; False when the process has ended and been collected, so that nobody got it."""
    if faults.armed and not faults.hit("process.signalled", signal=number):
        return True
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def has_exited(pidfd: int) -> bool:
    """Whether the process has ended; whose child it is and whether it was collected do not matter."""
    return wait_exit(pidfd, 0)


def wait_exit(pidfd: int, seconds: float) -> bool:
    """Waits at most ``seconds`` for the end of the process; True when it has ended.

    Raises OSError for a closed descriptor.
    """
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    ready = poller.poll(max(0.0, seconds) * 1000)
    if ready and ready[0][1] & select.POLLNVAL:
        raise OSError(errno.EBADF, f"descriptor {pidfd} of a process was closed before it was waited for")
    return bool(ready)


class Process:
    """A hold on one process: its identity and its pidfd, closed by ``close`` or at the end of a ``with``.

    ``attach`` is the only maker; it gives None when the process is gone.
    """

    def __init__(self, identity: Identity, pidfd: int) -> None:
        self.identity = identity
        self._pidfd = pidfd

    @classmethod
    def attach(cls, identity: Identity) -> Process | None:
        """A hold on the process that ``identity`` names, or None when that process is gone."""
        pidfd = open_pidfd(identity)
        return None if pidfd is None else cls(identity, pidfd)

    def fileno(self) -> int:
        """The pidfd, for a poll of many; -1 once closed."""
        return self._pidfd

    @property
    def exited(self) -> bool:
        """Whether it has ended."""
        return has_exited(self._pidfd)

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP or a debugger holds it: then it does nothing, whatever it is asked."""
        return stopped(self.identity.pid)

    def signal(self, number: int) -> bool:
        """As ``send_signal``."""
        return send_signal(self._pidfd, number)

    def wait(self, seconds: float) -> bool:
        """As ``wait_exit``."""
        return wait_exit(self._pidfd, seconds)

    def close(self) -> None:
        """Lets go; the process goes on. More than once is fine."""
        held, self._pidfd = self._pidfd, -1
        if held >= 0:
            os.close(held)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in NOT_A_PROCESS:
            return None
        raise


def _carries(pid: int, nonce: str) -> bool:
    return os.fsencode(nonce) in command_line(pid)
