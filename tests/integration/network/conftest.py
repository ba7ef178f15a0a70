"""A network namespace for a test, and a root that is opened in it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt as libvirt
from embervirt.drivers.network.messages import Owner, Plug, Port
from guest.domain import uri

PROMPT = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}
CLONE_NEWNET = 0x40000000
GUEST = "22222222-2222-2222-2222-222222222222"
MAC = "52:54:00:11:11:11"
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

    def traces(self) -> list[str]:
        """What is there that was not when it was made."""
        return [*self.links(), *self.tables(), *(" ".join(each.cmdline()) for each in self.processes())]


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
                each.kill()
            psutil.wait_procs(left, 5)
    finally:
        _done(_libc.setns(before, CLONE_NEWNET))
        os.close(before)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Of this test; links and rules in it go with it."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    with entered() as made:
        yield made


@pytest.fixture
def conn(namespace: Namespace, tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """Opened by the network driver's own URI."""
    with libvirt.open(uri(tmp_path / "root", "network"), settings=PROMPT) as made:
        yield made


def network_xml(name: str = "net", address: str = "10.7.7.1", more: str = "", *, inside: str = "") -> str:
    """A network with DHCP on a /24; ``more`` beside, ``inside``: of ``<dhcp>``."""
    first, last = (f"{address.rpartition('.')[0]}.{end}" for end in (100, 200))
    dhcp = f"<dhcp><range start='{first}' end='{last}'/>{inside}</dhcp>"
    ip = f"<ip address='{address}' netmask='255.255.255.0'>{dhcp}</ip>"
    return f"<network><name>{name}</name>{more}{ip}</network>"


def plug(conn: libvirt.virConnect, source: str = "net", **more: Any) -> tuple[Port, list[int]]:
    """As the QEMU driver does it: the port, and the descriptors that it handed over."""
    owner = Owner(GUEST, "guest", more.pop("run", "run-1"))
    wish = Plug(owner, more.pop("mac", MAC), more.pop("type", "network"), source, **more)
    port = conn.root.call("network", wish)
    return port, conn.root.bus.handover.take(port.token)


def close(descriptors: list[int]) -> None:
    """As QEMU's end does."""
    for each in descriptors:
        os.close(each)
