"""A network namespace of a test's own: nothing that it does to links and rules is the machine's."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@dataclass(frozen=True)
class Namespace:
    """The network of this thread, and of all that it starts. ``inode`` tells it from others."""

    inode: int

    def run(self, *argv: str) -> str:
        """What a program says that works here."""
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def links(self) -> dict[str, dict[str, Any]]:
        """By name, as ``ip`` tells them; without the loopback."""
        found = json.loads(self.run("ip", "-d", "-j", "link"))
        return {each["ifname"]: each for each in found if each["ifname"] != "lo"}

    def addresses(self, link: str) -> list[str]:
        """Of a link, with prefix; not those that it gives itself."""
        (found,) = json.loads(self.run("ip", "-j", "addr", "show", link))
        return [
            f"{each['local']}/{each['prefixlen']}" for each in found["addr_info"] if each["scope"] == "global"
        ]

    def tables(self) -> list[str]:
        """Families and names of nftables'."""
        return sorted(self.run("nft", "list", "tables").split("\n"))[1:]

    def processes(self) -> list[psutil.Process]:
        """Those of others that are in it."""
        own = os.getpid()
        return [each for each in psutil.process_iter() if each.pid != own and _inode(each.pid) == self.inode]

    def programs(self, *names: str, of: str = "") -> list[psutil.Process]:
        """Those of them with such a name and ``of`` in their words; one that ends meanwhile is none."""
        named = [each for each in self.processes() if told(each.name, "").startswith(names)]
        return [each for each in named if of in " ".join(told(each.cmdline, []))]

    def traces(self) -> list[str]:
        """What is there that was not when it was made."""
        ran = (" ".join(told(each.cmdline, [])) for each in self.processes())
        return [*self.links(), *self.tables(), *(words for words in ran if words)]


T = TypeVar("T")


def told(ask: Callable[[], T], ended: T) -> T:
    """What a process says of itself, or what is done to it; this once it has ended."""
    try:
        return ask()
    except psutil.NoSuchProcess:
        return ended


def _inode(pid: int | str) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


@contextmanager
def entered() -> Iterator[Namespace]:
    """In a namespace of one's own; the processes that are left in it are ended."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _done(_libc.unshare(CLONE_NEWNET))
        here = Namespace(_inode("thread-self"))
        here.run("ip", "link", "set", "lo", "up")
        try:
            yield here
        finally:
            left = here.processes()
            for each in left:
                told(each.kill, None)
            psutil.wait_procs(left, 30)
    finally:
        _done(_libc.setns(before, CLONE_NEWNET))
        os.close(before)


def apart() -> AbstractContextManager[object]:
    """``entered``, or nothing for who has not the right, and so can do nothing to the machine's network."""
    return nullcontext() if os.geteuid() else entered()


@contextmanager
def within(pid: int) -> Iterator[None]:
    """This thread in the network of a process; 0 is no other."""
    if not pid:
        yield
        return
    with Path("/proc/thread-self/ns/net").open() as before, Path(f"/proc/{pid}/ns/net").open() as there:
        _done(_libc.setns(there.fileno(), CLONE_NEWNET))
        try:
            yield
        finally:
            _done(_libc.setns(before.fileno(), CLONE_NEWNET))


@contextmanager
def somebody() -> Iterator[int]:
    """The pid of a process in a network of its own, until the end."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        assert made.stdin is not None and made.stdout is not None
        made.stdin.write(b"x")
        made.stdin.flush()
        made.stdout.read(1)  # it is in there when it answers
        yield made.pid
        made.stdin.close()
