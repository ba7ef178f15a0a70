"""A host outside, behind a link of the namespace of a test, and talks with guests by TCP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import embervirt as libvirt
from guest.domain import SECONDS, Console, linux
from guest.image import READY, ensure
from guest.namespace import Namespace, somebody, within
from guest.shell import Shell

UPLINK, OUTSIDE = "192.0.2.1", "192.0.2.2"
SERVE = "(nc -ll -p 80 -e netstat -tn &)"
"""A command of the guest: its server tells everybody who is connected to it."""

LEASE = "udhcpc -i {} -s /etc/dhcp -q -n -t 20"
"""Asks for an address, twenty times if nobody answers."""

ADDRESS = re.compile(r"EMBERVIRT-GUEST NET eth0 (\S+)\s")


@dataclass(frozen=True)
class Guest:
    """A Linux guest that runs, and its only card."""

    domain: libvirt.virDomain
    shell: Shell
    console: Console

    def address(self) -> str:
        """That DHCP gave its first card."""
        said = self.console.wait(lambda text: ADDRESS.search(text) is not None, "its address", SECONDS)
        return ADDRESS.findall(said)[-1]  # type: ignore[no-any-return]

    def serve(self) -> None:
        """Its server listens when this returns."""
        self.shell.ask(SERVE)
        self.shell.until(":80 ", "netstat -tln")


def card(network: str, last: str, more: str = "") -> str:
    """An interface of that network whose MAC address ends so."""
    place = f"<mac address='52:54:00:00:00:{last}'/><source network='{network}'/>"
    return f"<interface type='network'>{place}<model type='virtio'/>{more}</interface>"


def boot(conn: libvirt.virConnect, name: str, devices: str, *, vcpus: int = 1) -> libvirt.virDomain:
    """On its way; ``booted`` waits for it."""
    ensure()
    return conn.createXML(linux(name, devices=devices, vcpus=vcpus), 0)


def booted(conn: libvirt.virConnect, name: str) -> Guest:
    """Of a guest that was started: its shell answers."""
    domain, root = conn.lookupByName(name), conn.root.paths.path
    console = Console(root, name)
    console.until(READY)
    return Guest(domain, Shell(domain), console)


class Talk:
    """A connection with a guest, which sends back what it gets."""

    def __init__(self, met: socket.socket, peer: str) -> None:
        self.peer = peer
        self._met = met
        self._count = 0
        met.settimeout(SECONDS)

    def goes_on(self) -> bool:
        """A line that was never sent before comes back."""
        self._count += 1
        line = b"line %d\n" % self._count
        self._met.sendall(line)
        said = b""
        while not said.endswith(b"\n"):
            data = self._met.recv(100)
            assert data, "the connection has ended"
            said += data
        return said == line

    def close(self) -> None:
        """Once."""
        self._met.close()


@dataclass(frozen=True)
class Outside:
    """``pid``: of a process that is there."""

    pid: int

    @contextmanager
    def listening(self, port: int) -> Iterator[socket.socket]:
        """Its server."""
        with within(self.pid), socket.create_server((OUTSIDE, port)) as server:
            listener = server.dup()
        with listener:
            listener.settimeout(SECONDS)
            yield listener

    @contextmanager
    def talk(self, guest: Guest, port: int) -> Iterator[Talk]:
        """A connection that the guest makes, and holds."""
        with self.listening(port) as server:
            guest.shell.ask(f"(nc {OUTSIDE} {port} -e cat &)")
            met, (peer, *_) = server.accept()
            with met:
                yield Talk(met, peer)

    def reaches(self, address: str, port: int = 80) -> str:
        """``reaches`` from there."""
        with within(self.pid):
            return reaches(address, port)


def reaches(address: str, port: int = 80) -> str:
    """What the guest's ``SERVE`` tells this host; raises OSError where there is none to be reached."""
    with socket.create_connection((address, port), SECONDS) as met, met.makefile("rb") as said:
        return said.read().decode()


@contextmanager
def outside(namespace: Namespace) -> Iterator[Outside]:
    """Joined by ``up0``; whatever it does not know is behind this host."""
    run = namespace.run
    with somebody() as pid:
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        run("ip", "addr", "add", f"{UPLINK}/24", "dev", "up0")
        run("ip", "link", "set", "up0", "up")
        Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")  # who is refused is told so each time
        there = ("nsenter", "--target", str(pid), "--net", "ip")
        run(*there, "addr", "add", f"{OUTSIDE}/24", "dev", "eth0")
        run(*there, "link", "set", "eth0", "up")
        run(*there, "route", "add", "default", "via", UPLINK)
        yield Outside(pid)
