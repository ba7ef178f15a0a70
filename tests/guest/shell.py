"""The shell that reads the test guest's console: commands for it, and what they print."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from xml.etree import ElementTree

import embervirt as libvirt
from guest.domain import SECONDS, Console


def typed(command: str, end: str = "E''ND") -> bytes:
    """What is typed to run it; its echo is not taken for what it prints, from BEGIN to ``end``.

    The guest reads a line within a second or loses it: with an empty one it begins a new second for the next.
    """
    return f"\necho BE''GIN; {command}; echo {end}\n".encode()


def says(domain: libvirt.virDomain, root: Path, command: str) -> str:
    """What a command prints in the guest, which is asked through the API; from BEGIN on, END included."""
    console = Console(root, domain.name())
    start = len(console.text())
    stream = domain.connect().newStream(0)
    domain.openConsole(None, stream, 0)
    try:
        stream.sendAll(lambda _stream, _size, left: left.pop() if left else b"", [typed(command)])
        return console.until("\nEND", after=start)[start:].rpartition("BEGIN")[2]
    finally:
        stream.abort()


class Shell:
    """Of a running guest, on its console; one caller at a time.

    The console stays open, for QEMU looks only once a second whether somebody has opened it. What nobody
    reads there is thrown away by the next ``ask``; the guest stands still when it is 4 KiB.
    """

    def __init__(self, domain: libvirt.virDomain) -> None:
        devices = ElementTree.fromstring(domain.XMLDesc(0)).find("devices/console")
        assert devices is not None
        descriptor = os.open(devices.get("tty", ""), os.O_RDWR | os.O_NOCTTY)
        self._tty = os.fdopen(descriptor, "r+b", buffering=0)

    def ask(self, command: str, *, seconds: float = SECONDS) -> str:
        """What it prints until it ends, without white space around."""
        self._hear(0)
        self._tty.write(typed(command, "--E''ND--"))
        until, said = time.monotonic() + seconds, ""
        while "--END--" not in said.partition("BEGIN")[2]:
            heard = self._hear(until - time.monotonic())
            assert heard, f"the guest did not end {command!r}: {said!r}"
            said += heard
        return said.partition("BEGIN")[2].partition("--END--")[0].replace("\r\n", "\n").strip()

    def until(self, wanted: str, command: str) -> str:
        """Ask again until it prints this; what it printed then."""
        until, said = time.monotonic() + SECONDS, self.ask(command)
        while wanted not in said:
            assert time.monotonic() < until, f"no {wanted!r} from {command!r}: {said!r}"
            said = self.ask(command)
        return said

    def _hear(self, seconds: float) -> str:
        """What has come; empty when nothing does."""
        if not select.select([self._tty], [], [], max(0.0, seconds))[0]:
            return ""
        return os.read(self._tty.fileno(), 65536).decode(errors="replace")
