"""Host programs: embervirt in a process of its own, which may be killed, forked and misused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from guest.domain import SECONDS

TESTS = str(Path(__file__).parents[1])
BEGIN = """
import json, os, signal, sys, threading, time
import embervirt as libvirt
from guest.domain import *
ROOT = Path(sys.argv[1])
def say(**what):
    os.write({say}, (json.dumps(what) + "\\n").encode())
def code_of(call, *arguments):
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        return error.get_error_code()
"""


class Host:
    """``code`` has ``ROOT``, embervirt as ``libvirt``, what ``guest.domain`` has, ``say`` and ``code_of``.

    It may wait for ``line()`` by ``sys.stdin.readline()``. What it says travels by a pipe of its own, so
    that it may close its standard descriptors.
    """

    def __init__(self, root: Path, code: str, **options: Any) -> None:
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN.format(say=writer) + code, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[writer],
            env={**os.environ, "PYTHONPATH": TESTS},
            **options,
        )
        os.close(writer)
        self._said = os.fdopen(reader)

    def hear(self) -> dict[str, Any]:
        """The next thing it says."""
        line = self._said.readline()
        assert line, f"the host program ended: {self.process.communicate()}"
        said: dict[str, Any] = json.loads(line)
        return said

    def line(self) -> None:
        """Wakes one ``sys.stdin.readline()``."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self, *, status: int = 0) -> str:
        """Waits for its end by itself with that status; what it wrote on standard error."""
        _, errors = self.process.communicate(timeout=SECONDS)
        self._said.close()
        assert self.process.returncode == status, errors
        return str(errors)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate()
        self._said.close()
