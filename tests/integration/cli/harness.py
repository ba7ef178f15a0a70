"""The command line as users have it: the installed program, in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from click.testing import CliRunner

from embervirt.cli import main

PROGRAM = str(Path(sys.executable).with_name("embervirt"))
FIRMWARE = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><serial type='pty'/></devices></domain>"""
"""A guest with nothing to boot: it obeys nobody, and starts in no time."""


class Cli:
    """Runs commands with one root; throw-away roots come below ``folder`` too.

    Without ``own_process`` they run in this one, which saves the third of a second that the imports take.
    """

    def __init__(self, folder: Path, *, own_process: bool = True) -> None:
        self._own_process = own_process
        self.folder, self.root, self.temporary = folder, folder / "root", folder / "tmp"
        self.temporary.mkdir()
        self.environment = os.environ | {"TMPDIR": str(self.temporary), "EMBERVIRT_LOG_LEVEL": "error"}

    def argv(self, *words: object, root: bool = True) -> list[str]:
        """The command line."""
        return [PROGRAM, *(["--root", str(self.root)] if root else []), *map(str, words)]

    def try_(self, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        argv = self.argv(*words)
        if not self._own_process:
            result = CliRunner(env=self.environment).invoke(main, argv[1:], stdin, catch_exceptions=False)
            return subprocess.CompletedProcess(argv, result.exit_code, result.stdout, result.stderr)
        return subprocess.run(
            argv, env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )

    def __call__(self, *words: object, stdin: str = "") -> str:
        """What a command that must succeed without a word of complaint prints."""
        done = self.try_(*words, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def json(self, *words: object, stdin: str = "") -> Any:
        """The same as JSON."""
        return json.loads(self(*words, "--json", stdin=stdin))

    def file(self, name: str, text: str) -> Path:
        """A file for a command to read."""
        path = self.folder / name
        path.write_text(text)
        return path

    @contextmanager
    def running(self, *words: object, root: bool = False) -> Iterator[Running]:
        """A command under way; killed at the end if it is not done by then."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self.argv(*words, root=root), env=self.environment, stdin=subprocess.DEVNULL, stdout=pipe,
            stderr=pipe, text=True, errors="replace", start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield Running(process)
            finally:
                process.kill()

    @contextmanager
    def on_terminal(self, *words: object, root: bool = False) -> Iterator[Terminal]:
        """A command on a terminal of its own, which is its controlling one, so that Ctrl-C works."""
        user, terminal = os.openpty()
        with subprocess.Popen(
            self.argv(*words, root=root), env=self.environment, stdin=terminal, stdout=terminal,
            stderr=terminal, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        ) as process:  # fmt: skip
            try:
                yield Terminal(process, user, terminal)
            finally:
                process.kill()
                os.close(user)
                os.close(terminal)

    def qemus(self) -> list[psutil.Process]:
        """QEMU processes with a root in our folder."""
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if words and "qemu-system" in words[0] and any(str(self.folder) in word for word in words):
                found.append(process)
        return found

    def nothing_left(self) -> bool:
        """No QEMU runs and no throw-away root is there."""
        return not self.qemus() and not list(self.temporary.iterdir())


class Running:
    """A command under way with its output in pipes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def until(self, words: str, stream: str = "stdout") -> list[str]:
        """All lines up to the one that holds the words."""
        said = []
        for line in getattr(self.process, stream):
            said.append(line)
            if words in line:
                return said
        raise AssertionError(f"it ended before it said {words!r}: {said}")

    def send(self, number: int = signal.SIGINT) -> None:
        """A signal to the command alone."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit status and the rest of both outputs."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err


class Terminal:
    """A command under way on a terminal: ``user`` types and reads."""

    def __init__(self, process: subprocess.Popen[bytes], user: int, terminal: int) -> None:
        self.process, self._user, self._terminal = process, user, terminal
        self.before = self.modes()

    def modes(self) -> Any:
        """The terminal's settings."""
        return termios.tcgetattr(self._terminal)

    def type(self, keys: bytes) -> None:
        """As from the keyboard."""
        os.write(self._user, keys)

    def until(self, words: bytes) -> bytes:
        """All that is shown up to these words."""
        shown = b""
        while words not in shown:
            shown += os.read(self._user, 65536)
        return shown

    def end(self) -> int:
        """Exit status."""
        return self.process.wait()
