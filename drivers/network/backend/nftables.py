"""nftables: a ruleset goes to nft(8) in one piece, which takes effect whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from embervirt.drivers.network.errors import NetworkInternal, NetworkSystemError, told
from embervirt.errors import libvirtError

PATIENCE = 20.0
"""Seconds; it needs some milliseconds."""

SBIN = f"{os.defpath}:/usr/sbin:/sbin:/usr/local/sbin"


def search_path() -> str:
    """Where programs are looked for: the host program's PATH may be without administrators' directories."""
    return os.pathsep.join(filter(None, (os.environ.get("PATH"), SBIN)))


def program(name: str) -> str:
    """Its path. Raises NetworkSystemError (ENOENT)."""
    found = shutil.which(name, path=search_path())
    if found is None:
        text = f"Cannot find '{name}' in path: No such file or directory; a network needs it"
        raise NetworkSystemError(text, int1=2)
    return found


def apply(ruleset: str, may: Callable[[], None] = lambda: None) -> None:
    """One transaction, in nft's own words. Raises NetworkInternal with what nft says to it."""
    with applying(ruleset, may):
        return


@contextmanager
def applying(ruleset: str, may: Callable[[], None] = lambda: None) -> Iterator[None]:
    """The same beside what is done meanwhile: it has taken effect at the end of the ``with``.

    Not when ``may`` raises then: nft takes nothing before its input ends.
    """
    process = _start(["-f", "-"])
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: what it says comes below
            process.stdin.write(ruleset)
            process.stdin.flush()
        yield
    finally:
        try:
            may()
        except libvirtError:
            process.kill()
            raise
        finally:
            said = _end(process)
    said.check()


def tables() -> set[tuple[str, str]]:
    """Family and name of each table. Raises NetworkInternal."""
    found = json.loads(_run(["-j", "list", "tables"]))
    return {(each["table"]["family"], each["table"]["name"]) for each in found["nftables"] if "table" in each}


@dataclass(frozen=True)
class _Said:
    argv: list[str]
    output: str
    complaint: str
    status: int

    def check(self) -> str:
        """What it printed. Raises NetworkInternal."""
        if self.status or self.complaint:  # where the host program ignores SIGCHLD, nobody has the status
            what = self.complaint or f"exit status {self.status}"
            raise NetworkInternal(f"Child process ({' '.join(self.argv)}) unexpected exit status: {what}")
        return self.output


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    with told("start nft"):
        return subprocess.Popen(
            [program("nft"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": SBIN, "LC_ALL": "C"},
        )


def _end(process: subprocess.Popen[str]) -> _Said:
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        process.kill()
        process.communicate()
        raise NetworkInternal(f"nft did not answer within {PATIENCE:g} s") from late
    complaint = "\n".join(line for line in errors.splitlines() if not line.startswith("#"))
    argv = [str(each) for each in process.args] if isinstance(process.args, list) else []
    return _Said(argv, output, complaint, process.returncode)


def _run(arguments: list[str]) -> str:
    return _end(_start(arguments)).check()
