"""Start of a QEMU process up to its first word: an undo stack, so that a failed start leaves nothing."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from embervirt import disk, faults
from embervirt.drivers.qemu.backend.emulator import check_emulator, explained
from embervirt.drivers.qemu.backend.monitor import Monitor, MonitorLoop, OnClose, OnEvent
from embervirt.drivers.qemu.backend.protocol import Command, Launched
from embervirt.drivers.qemu.errors import LaunchFailed, MonitorLost
from embervirt.drivers.root import sockets
from embervirt.drivers.root.files import appending
from embervirt.supervisor.identity import identify
from embervirt.supervisor.oom import group_of
from embervirt.supervisor.recorder import Spawned, kill, spawn

LAST_LINES, LAST_BYTES = 10, 4096
"""How much of QEMU's output an error quotes, at most."""

ASIDE = ": info: QEMU waiting for connection on: "
"""What QEMU says of its monitor at every start, and an error does not quote."""

DYING = 5.0
"""Seconds for a killed process to end: more only in uninterruptible sleep."""

SECRET_VALUE = re.compile(r'("data"\s*:\s*")(?:[^"\\]|\\.)*"|((?:^|,)data=)(?:[^,]|,,)*')
"""The value of a secret object, in either of QEMU's two notations of ``-object``."""


def launch(
    command: Command, loop: MonitorLoop, *, deadline: float, on_event: OnEvent, on_close: OnClose
) -> Launched:
    """Starts QEMU and waits for its greeting, at most until ``deadline`` (``time.monotonic``).

    The callbacks are ``Monitor.connect``'s. Raises NoEmulator; LaunchFailed with QEMU's last lines when it
    ends instead; MonitorTimeout when it only hangs; SystemError_ when the host cannot start it. After an
    error there is no process, socket or status file; the log stays.
    """
    with contextlib.ExitStack() as undo:
        near, spawned, output = _start(command, undo)
        try:
            monitor = Monitor.connect(loop, near, deadline, on_event, on_close)
        except MonitorLost as lost:
            raise _failure(command, spawned, output) from lost
        undo.callback(monitor.close)
        identity = identify(spawned.pid, command.nonce)
        if identity is None:
            raise _failure(command, spawned, output)
        undo.pop_all()
    return Launched(identity, spawned, monitor, group_of(spawned.pid))


def _start(command: Command, undo: contextlib.ExitStack) -> tuple[socket.socket, Spawned, int]:
    """The near end of the monitor, the process, and where its output begins in the log."""
    with explained("start QEMU"), appending(command.log) as log, sockets.listen(command.monitor) as listening:
        undo.callback(disk.unlink, command.monitor, missing_ok=True)
        # The kernel queues it: no waiting for QEMU, and an end of QEMU before the greeting is an end of file.
        near = undo.enter_context(sockets.connect(command.monitor))
        argv = command.argv(listening.fileno())
        check_emulator(argv[0])
        output = _write_header(log, command.environment, argv)
        spawned = spawn(
            argv,
            status_file=command.status_file,
            log_fd=log.descriptor,
            pass_fds=[listening.fileno(), *command.pass_fds],
            env=command.environment,
            account=command.account,
        )
        undo.callback(_end, spawned, command.status_file)
        if faults.armed:
            faults.hit("process.spawned", program=argv[0], pid=spawned.pid)
    return near, spawned, output


def _end(spawned: Spawned, status_file: Path) -> None:
    kill(spawned, DYING)
    disk.unlink(status_file, missing_ok=True)


def _failure(command: Command, spawned: Spawned, output: int) -> LaunchFailed:
    # What ends the connection is most often the end of QEMU: then its log is complete once that is over.
    _end(spawned, command.status_file)
    with command.log.open("rb") as log:
        log.seek(max(output, log.seek(0, os.SEEK_END) - LAST_BYTES))
        lines = log.read().decode(errors="replace").strip().splitlines()
    said = "\n".join([line for line in lines if ASIDE not in line][-LAST_LINES:]) or "it said nothing"
    return LaunchFailed(f"process exited while connecting to monitor: {said}")


def _write_header(log: disk.File, environment: Mapping[str, str], argv: Sequence[str]) -> int:
    stamp = datetime.datetime.now(datetime.UTC).isoformat(" ", "milliseconds").replace("+00:00", "+0000")
    host = os.uname()
    title = f"{stamp}: starting up embervirt, kernel: {host.release}, hostname: {host.nodename}\n"
    disk.write_all(log, (title + printable(environment, argv)).encode())
    return os.lseek(log.descriptor, 0, os.SEEK_CUR)


def printable(environment: Mapping[str, str], argv: Sequence[str]) -> str:
    """The command for a log, as libvirt writes it: one option a line, quoted for a shell, secrets hidden."""
    words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    words.append(shlex.quote(argv[0]))
    for before, word in itertools.pairwise(argv):
        shown = shlex.quote(redacted(word))
        if word.startswith("-") or not before.startswith("-"):
            words.append(shown)
        else:
            words[-1] += f" {shown}"
    return " \\\n".join(words) + "\n"


def redacted(word: str) -> str:
    """An argument of QEMU as it may be shown: without the value of a secret object."""
    return SECRET_VALUE.sub(_hidden, word) if "secret" in word else word


def _hidden(match: re.Match[str]) -> str:
    return f'{match[1]}***"' if match[1] else f"{match[2]}***"
