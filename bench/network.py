"""Networks: start and stop against the same by hand and against libvirtd, a hundred of them, the switch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import embervirt as libvirt
from bench import frames
from bench.figure import Figure, at_most, medians, milliseconds, times_faster, times_floor
from bench.floor import write_durably
from bench.libvirtd import NETWORK, Libvirtd, libvirtd
from bench.namespace import entered

LAPS, MANY = 15, 100
BRIDGE = "eb-bench"
XML = (
    f"<network><name>bench</name><forward mode='nat'/><bridge name='{BRIDGE}'/>"
    "<ip address='10.7.7.1' netmask='255.255.255.0'><dhcp><range start='10.7.7.2' end='10.7.7.99'/></dhcp>"
    "</ip></network>"
)
SMALL = "<network><name>n{0}</name><ip address='10.{0}.0.1' prefix='24'/></network>"


def figures(directory: Path) -> Iterator[Figure]:
    """In a namespace of its own, with a root of its own."""
    if os.geteuid():
        yield Figure("start of a network / its parts by hand", "skipped: a network namespace needs root")
    else:
        with entered(), libvirtd(directory, NETWORK) as peer:
            yield from _starts(directory, peer)
    yield from _many(directory)
    yield from frames.figures(directory)


def _starts(directory: Path, peer: Libvirtd) -> Iterator[Figure]:
    if not peer.why:
        peer.say(XML)
    with libvirt.open(f"network:///embed?root={directory}/networks") as conn:
        network = conn.networkDefineXML(XML)
        by_hand = ByHand.of(conn, network, directory)
        rows = [_lap(network, by_hand, peer) for _ in range(LAPS)]
    start, stop, floor, floor_stop, theirs, theirs_stop = medians(rows)
    yield times_floor("start of a network / its parts by hand", start, floor, 1.5)
    yield times_floor("stop of a network / its parts by hand", stop, floor_stop, None)
    if peer.why:
        yield Figure("start of a network / libvirtd", f"{start:.1f}", f"skipped: {peer.why}")
        return
    yield times_faster("start of a network / libvirtd", start, theirs, 3)
    yield times_faster("stop of a network / libvirtd", stop, theirs_stop, 1)


def _lap(network: libvirt.virNetwork, by_hand: ByHand, peer: Libvirtd) -> tuple[float, ...]:
    """Milliseconds: ours, by hand, libvirtd's, a start and a stop each."""
    ours = milliseconds(network.create), milliseconds(network.destroy)
    theirs = (0.0, 0.0) if peer.why else peer.lap()
    return *ours, milliseconds(by_hand.start), milliseconds(by_hand.stop), *theirs


@dataclass(frozen=True)
class ByHand:
    """The same bridge, rules and server, with the programs that an administrator has."""

    rules: str
    table: str
    conf: Path
    pid: Path

    @classmethod
    def of(cls, conn: libvirt.virConnect, network: libvirt.virNetwork, directory: Path) -> ByHand:
        """As an active one has them; dnsmasq's files are copied to ``directory``."""
        network.create()
        text = (conn.root.paths.dnsmasq / "bench.conf").read_text()
        said = _run("nft", "list", "tables").split("\n")
        (family, table) = next(line for line in said if "embervirt" in line).split()[1:]
        rules = _run("nft", "list", "table", family, table)
        conf, pid = directory / "by-hand.conf", directory / "by-hand.pid"
        conf.write_text(f"{text}\npid-file={pid}\ndhcp-leasefile={directory}/by-hand.leases\nuser=root\n")
        for name in ("hostsfile", "addnhosts"):  # empty, and read by its name in the configuration
            (conn.root.paths.dnsmasq / f"bench.{name}").touch()
        network.destroy()
        for name in ("hostsfile", "addnhosts"):
            (conn.root.paths.dnsmasq / f"bench.{name}").touch()
        return cls(rules, f"{family} {table}", conf, pid)

    def start(self) -> None:
        """dnsmasq's parent ends when it listens."""
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "addr", "add", "10.7.7.1/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        _run("nft", "-f", "-", given=self.rules)
        _run("dnsmasq", f"--conf-file={self.conf}")

    def stop(self) -> None:
        """dnsmasq is not waited for."""
        os.kill(int(self.pid.read_text()), 15)
        _run("nft", "delete", "table", *self.table.split())
        _run("ip", "link", "del", BRIDGE)


def _run(*argv: str, given: str | None = None) -> str:
    return subprocess.run(argv, input=given, capture_output=True, text=True, check=True).stdout


def _many(directory: Path) -> Iterator[Figure]:
    """Definitions, which need no privilege; then an opening of the root that has them."""
    uri = f"network:///embed?root={directory}/hundred"
    with libvirt.open(uri) as conn:
        texts = [SMALL.format(number) for number in range(MANY)]
        spent = milliseconds(lambda: [conn.networkDefineXML(text) for text in texts])
        content = conn.networkLookupByName("n0").XMLDesc().encode()
    path = directory / "by-hand.xml"

    def write_all() -> None:
        for _ in texts:
            write_durably(path, content)

    floor = milliseconds(write_all)
    yield at_most(f"define {MANY} networks, each / its durable write", spent / MANY, None, "ms", floor / MANY)

    def cold_open() -> None:
        with libvirt.open(uri) as found:
            assert found.numOfDefinedNetworks() == MANY

    empty = f"network:///embed?root={directory}/none"
    floor = min(milliseconds(lambda: libvirt.open(empty).close()) for _ in range(5))
    yield at_most(f"open {MANY} networks / open none", milliseconds(cold_open), None, "ms", floor)
