"""The floors: QEMU with the same arguments, and a file written by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import embervirt as libvirt


class ByHand:
    """A guest's own command line, without embervirt: its greeting, ``cont``, ``quit``."""

    def __init__(self, pid: int, domain_dir: Path, copy: Path) -> None:
        shutil.copytree(domain_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self._argv = [word.replace(str(domain_dir), str(copy)) for word in words]
        self._path = str(copy / "hand.sock")

    @classmethod
    def of(cls, domain: libvirt.virDomain, conn: libvirt.virConnect, directory: Path) -> ByHand:
        """Of a running guest; what QEMU needs beside its arguments is copied to ``directory``."""
        pid = int((conn.root.paths.qemu_run / f"{domain.name()}.pid").read_text())
        domain_dir = conn.root.paths.domain_dir(domain.ID(), domain.name())
        return cls(pid, domain_dir, directory / f"hand-{domain.name()}")

    def start(self) -> None:
        """Up to the reply to ``cont``."""
        listening = socket.socket(socket.AF_UNIX)
        Path(self._path).unlink(missing_ok=True)
        listening.bind(self._path)
        listening.listen(1)
        near = socket.socket(socket.AF_UNIX)
        near.connect(self._path)
        number, null = listening.fileno(), subprocess.DEVNULL
        argv = [re.sub(r"^(socket,id=charmonitor,fd=)\d+", rf"\g<1>{number}", word) for word in self._argv]
        # In a session of its own like a guest's: the kernel shares the CPUs among sessions first.
        self._process = subprocess.Popen(
            argv, pass_fds=[number], stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        listening.close()
        self._file = near.makefile("rw")
        self._file.readline()
        self._command("qmp_capabilities")
        self._command("cont")

    def _command(self, name: str) -> None:
        self._file.write(json.dumps({"execute": name}) + "\n")
        self._file.flush()
        while "return" not in json.loads(self._file.readline()):
            pass

    def quit(self) -> None:
        """Up to the end of the process."""
        self._file.write('{"execute": "quit"}\n')
        self._file.flush()
        self._process.wait()


def write_durably(path: Path, data: bytes) -> None:
    """As few system calls as leave the file there, whole, after any crash."""
    staged = path.with_suffix(".new")
    file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(file, data)
    os.fsync(file)
    os.close(file)
    staged.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)
