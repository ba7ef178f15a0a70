"""Programs that outlive their starter, and an exit status that nobody can steal.

A recorder is the parent of one program: a shell that starts it, waits, writes the exit status to a
file by rename, and ends. It decides nothing. So the status is known even if the host program ignores
SIGCHLD, collects every child, or is killed; in those cases what ``Popen.wait`` says is wrong.

Two commands make it up. ``env --default-signal`` (coreutils 8.31) sets every signal to its default and
unblocks it, whatever the host program did. ``bash -p`` takes nothing from the environment and, unlike
dash, can close descriptors above 9, so that a recorder holds none of its program's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from embervirt import disk, faults
from embervirt.config.accounts import Account
from embervirt.errors import InternalError
from embervirt.supervisor.identity import hold, parent, send_signal, start_time, wait_exit

STARTER = ("/usr/bin/env", "--default-signal", "bash", "-p", "-c")

SCRIPT = """\
ulimit -c 0
for each in d f n t u v; do ulimit -S -$each hard; done
{{ exec {pipe}>&-; exec "$@"; }} &
trap '' HUP INT QUIT TERM PIPE
exec </dev/null >/dev/null 2>&1 {passed}
echo $! >&{pipe}
exec {pipe}>&-
wait $!
printf '%s\\n' $? >"$0.tmp" && exec mv -f -- "$0.tmp" "$0"
"""
"""``$0`` is the status file, ``$@`` the program. Soft limits (of data, file size, descriptors, CPU time,
processes, address space) are the host program's for itself: a program that reached one would be ended, or
refused something, so ours have what the hard ones leave. The trap comes after the fork, for the recorder
alone: what ends a session, or an agent that no longer reads the pipe, must not end it. SIGINT and SIGQUIT,
which a shell ignores in its background, are bash's to restore at the exec."""

SIGNALLED = range(129, 193)
"""What a shell's ``$?`` is after a death by signal: 128 + its number (POSIX 2.8.2), 1 to 64 on Linux."""


LONGEST = 16
"""Bytes of a status file, and more."""


class Spawned(msgspec.Struct, frozen=True):
    """A started program and its recorder: pids and start times (clock ticks since boot), which tell them
    from later processes of the same numbers.

    A start time of 0 stands for a process that had ended and was collected before it could be looked at.
    """

    pid: int
    start: int
    recorder_pid: int
    recorder_start: int

    def hold(self) -> int | None:
        """A pidfd of the program, the caller's to close; None when it was collected."""
        return hold(self.pid, self.start)


def spawn(
    argv: Sequence[str],
    *,
    status_file: Path,
    log_fd: int,
    pass_fds: Iterable[int] = (),
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    umask: int = 0o077,
    account: Account | None = None,
) -> Spawned:
    """Starts ``argv`` under a recorder, in a session of its own; returns once it has a pid.

    Standard input is /dev/null, output and error are ``log_fd``; of all other descriptors the program has
    exactly ``pass_fds``, under the same numbers. ``env`` is its whole environment, by default PATH and
    LC_ALL=C. ``status_file`` is absolute, in an existing directory; one of an earlier run is removed.
    With an ``account`` the program has its rights and no others, and so has the recorder: what a program can
    write to, nobody with more rights must.

    The program may not be executing yet when this returns: identify it after a first sign of life. One
    that cannot be executed exits with 126 or 127, and the log says why.
    Raises OSError when no process can be started, InternalError when the recorder ended by itself.
    """
    if not status_file.is_absolute():
        raise ValueError(f"status file '{status_file}' must be an absolute path: the recorder runs in {cwd}")
    disk.unlink(status_file, missing_ok=True)
    passed = list(pass_fds)
    if faults.armed:
        faults.hit("process.spawning", program=argv[0])
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as answer:
        try:
            script = SCRIPT.format(pipe=writer, passed=" ".join(f"{fd}>&-" for fd in passed))
            rights = [] if account is None else account.prefix
            command = [*rights, *STARTER, script, str(status_file), *argv]
            recorder = _start(command, log_fd, [*passed, writer], env, cwd, umask)
        finally:
            os.close(writer)
        recorder_start = start_time(recorder) or 0
        pid = _pid(answer.read(), argv[0])
    # A process of that number with another parent is a later one: the program was collected already.
    start = start_time(pid) if parent(pid) == recorder else None
    return Spawned(pid, start or 0, recorder, recorder_start)


def _start(
    command: list[str], log_fd: int, fds: list[int], env: Mapping[str, str] | None, cwd: str, umask: int
) -> int:
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        pass_fds=fds,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} if env is None else env,
        cwd=cwd,
        umask=umask,
        start_new_session=True,
    )
    # So that Popen neither polls this child later nor warns about it: ``reap`` collects it.
    child.returncode = 0
    return child.pid


def _pid(line: bytes, name: str) -> int:
    if not line.endswith(b"\n"):
        raise InternalError(f"the recorder of {name} ended before it had started it; the log says why")
    return int(line)


def read_status(status_file: Path) -> int | None:
    """The exit code, or minus the number of the signal that killed it; None when no status is written.

    A program that exits with 129 to 192 by itself looks killed: a shell cannot tell the two apart.
    """
    try:
        status = int(_content(status_file))
    except (OSError, ValueError):  # there is none, or somebody else made it: the program may, with an account
        return None
    return 128 - status if status in SIGNALLED else status


def _content(status_file: Path) -> bytes:
    """Without waiting, whatever it is."""
    descriptor = os.open(status_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.read(descriptor, LONGEST)
    finally:
        os.close(descriptor)


def reap(spawned: Spawned, seconds: float) -> bool:
    """Waits at most ``seconds`` for the recorder's end and collects it if it is our child; True if it ended.

    After True the status file is there for good or will never be. Only ever that process is collected,
    its status is not looked at, and a host program that collected it first is no error.
    """
    if faults.armed:
        faults.hit("process.reaped", pid=spawned.pid)
    pidfd = hold(spawned.recorder_pid, spawned.recorder_start)
    if pidfd is None:
        return True
    try:
        return wait_exit(pidfd, seconds) and _collect(pidfd)
    finally:
        os.close(pidfd)


def kill(spawned: Spawned, seconds: float) -> None:
    """Undo of ``spawn``: ends the program at once and reaps its recorder, waiting ``seconds`` for each."""
    pidfd = spawned.hold()
    if pidfd is not None:
        try:
            send_signal(pidfd, signal.SIGKILL)
            wait_exit(pidfd, seconds)
        finally:
            os.close(pidfd)
    reap(spawned, seconds)


def _collect(pidfd: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    return True
