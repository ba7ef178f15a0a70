"""Networks without privilege, slirp and passt: the guest reaches its host, forwarded ports the guest."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.actors.messages import Event
from embervirt.drivers.qemu.messages import Degraded, Recovered
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.calls import began, threads
from guest.domain import Console, crash, give_up, has_ended, linux, opened, small, uri, wait_until, watching
from guest.image import READY, ensure
from guest.namespace import Namespace
from guest.shell import Shell

FORWARD = "<portForward proto='tcp' address='127.0.0.1'><range start='{}' to='{}'/></portForward>"
SLIRP = "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>{}</interface>"
PASST = (
    "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/>"
    "<backend type='passt'/>{}</interface>"
)
TAP = (
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br7'/>"
    "<model type='virtio'/></interface>"
)
PORT = "<controller type='pci' model='pcie-root-port'/>"
SAYS = b"from the host\n"
SERVE = "mkdir /www; echo from the guest >/www/a; httpd -p 80 -h /www; httpd -p 81 -h /www"
OF_MAC = "for each in /sys/class/net/*; do grep -q {} $each/address && card=${{each##*/}}; done"
"""The guest's name of a card: which of two comes first is not said."""

TRY = 2.0
"""Seconds for an answer: a first try can be lost before the guest has its server up."""


@pytest.fixture
def way_out(namespace: Any) -> Any:
    """The namespace, with a route to the world: passt takes its addresses from that."""
    namespace.run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1")
    namespace.run("ip", "addr", "add", "10.44.0.2/24", "dev", "out0")
    for each in ("out0", "out1"):
        namespace.run("ip", "link", "set", each, "up")
    namespace.run("ip", "route", "add", "default", "via", "10.44.0.1")
    return namespace


@pytest.fixture
def conn(way_out: Any, tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root in that namespace."""
    with opened(tmp_path / "root") as made:
        yield made


@contextmanager
def serving() -> Iterator[int]:
    """A server on the host's loopback that says ``SAYS`` to everybody; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket) -> None:
    while True:
        try:
            met, _ = server.accept()
        except OSError:
            return
        with met:
            met.sendall(SAYS)


def heard_at(port: int) -> str:
    """What a web server behind a port of the host says; empty for none."""
    try:
        with socket.create_connection(("127.0.0.1", port), TRY) as met:
            met.settimeout(TRY)
            met.sendall(b"GET /a HTTP/1.0\r\n\r\n")
            with met.makefile("rb") as answer:
                return answer.read().decode()
    except OSError:
        return ""


def booted(conn: libvirt.virConnect, root: Path, devices: str) -> tuple[libvirt.virDomain, Shell]:
    """A Linux guest with these cards."""
    ensure()
    domain = conn.createXML(linux("net", devices=devices), 0)
    Console(root, "net").until(READY)
    return domain, Shell(domain)


def domain_card(domain: libvirt.virDomain, last: str) -> ElementTree.Element:
    """The live card whose MAC address ends so."""
    cards = ElementTree.fromstring(domain.XMLDesc(0)).findall("devices/interface")
    return next(each for each in cards if each.find(f"mac[@address='52:54:00:00:00:{last}']") is not None)


def qmp_netdevs(domain: libvirt.virDomain) -> list[str]:
    """What QEMU has of the host's sides of cards."""
    asked = {"execute": "human-monitor-command", "arguments": {"command-line": "info network"}}
    told = json.loads(qemuMonitorCommand(domain, json.dumps(asked), 0))["return"]
    return [line for line in told.splitlines() if line.strip()]


def passts(namespace: Namespace) -> list[psutil.Process]:
    """Those that run in it."""
    return namespace.programs("passt")


def test_guest_reaches_its_host_and_forwarded_ports_reach_the_guest(
    conn: Any, namespace: Any, tmp_path: Path
) -> None:
    """By slirp and by passt (whose end of a connection can be late); slirp's ports come and go meanwhile."""
    root = tmp_path / "root"
    devices = SLIRP.format(FORWARD.format(2280, 80)) + PASST.format(FORWARD.format(2281, 81))
    domain, shell = booted(conn, root, devices)
    shell.ask("ip link set eth1 up; udhcpc -i eth1 -s /etc/dhcp -q -n -t 20")
    Console(root, "net").until("NET eth0 10.0.2.15")
    Console(root, "net").until("NET eth1 10.44.0.2")
    with serving() as port:
        assert SAYS.decode().strip() in shell.ask(f"nc 10.0.2.2 {port} </dev/null")
        shell.until(SAYS.decode().strip(), f"timeout 3 nc 10.44.0.1 {port} </dev/null")
    shell.ask(SERVE)
    wait_until(lambda: "guest" in heard_at(2280))
    wait_until(lambda: "guest" in heard_at(2281))
    domain.updateDeviceFlags(SLIRP.format(FORWARD.format(2282, 80)), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait_until(lambda: "guest" in heard_at(2282))
    assert heard_at(2280) == ""
    with pytest.raises(libvirt.libvirtError, match=r"cannot forward tcp:127\.0\.0\.1:2281-:80"):
        domain.updateDeviceFlags(SLIRP.format(FORWARD.format(2281, 80)), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait_until(lambda: "guest" in heard_at(2282))
    (mine,) = passts(namespace)
    domain.destroy()
    assert has_ended(mine)


def test_cards_that_come_later_survive_their_actor_and_go_with_their_other_end(
    conn: Any, namespace: Any, tmp_path: Path
) -> None:
    """A passt and a tap, plugged: after a crash of the actor each is known, and ends with its card."""
    root = tmp_path / "root"
    namespace.run("ip", "link", "add", "br7", "type", "bridge")
    ports = "<controller type='pci' model='pcie-root'/>" + PORT * 4
    domain, shell = booted(conn, root, ports)
    domain.attachDevice(TAP)
    domain.attachDevice(PASST.format(FORWARD.format(2283, 80)))
    (program,) = passts(namespace)
    tap = domain_card(domain, "01").find("target").get("dev")  # type: ignore[union-attr]
    crash(conn.root, f"guests/{domain.ID()}-net")
    shell.until("52:54:00:00:00:02", "cat /sys/class/net/*/address")
    named = OF_MAC.format("52:54:00:00:00:02")
    lease = f"{named}; ip link set $card up; udhcpc -i $card -s /etc/dhcp -q -n; ip addr show $card"
    shell.until("10.44.0.2", lease)
    shell.ask(SERVE)
    wait_until(lambda: "guest" in heard_at(2283))
    domain.detachDevice(TAP)
    wait_until(lambda: tap not in namespace.links())
    domain.detachDevice(PASST.format(""))
    wait_until(lambda: has_ended(program))
    wait_until(lambda: qmp_netdevs(domain) == [])
    assert domain.messages() == []
    domain.destroy()


def test_a_passt_of_an_actor_that_was_given_up_is_ended(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """It began beside a successor, who does not know of it, and has the same card plugged."""
    domain = conn.createXML(small("net", devices="<controller type='pci' model='pcie-root'/>" + PORT * 4), 0)
    where = {"program": "*/passt"}
    with faults.inject("process.spawning", faults.hang(), times=1, where=where) as hung:
        plugged = began(lambda: domain.attachDevice(PASST.format("")))
        hung.wait()
        give_up(conn.root, f"guests/{domain.ID()}-net")
        assert isinstance(plugged.exception(30), libvirt.libvirtError)
        wait_until(lambda: domain.messages() == [] and conn.root.journal.open() == [])
        hung.release()
        wait_until(lambda: threads(f"guest/{domain.ID()}") == 1)
    assert passts(namespace) == []
    domain.attachDevice(PASST.format(""))
    assert len(passts(namespace)) == 1
    domain.destroy()
    assert passts(namespace) == []


def plugged(root: Path, card: str) -> list[str]:
    """What a guest in a new root has of networks, once a card was plugged and is connected."""
    with opened(root) as conn:
        domain = conn.createXML(small("net"), 0)
        try:
            domain.attachDevice(card)
            wait_until(lambda: any("stream,unix:" in each for each in qmp_netdevs(domain)))
            return qmp_netdevs(domain)
        finally:
            domain.destroy()


def test_passt_is_plugged_in_a_root_of_any_length_that_qemu_can_reach(way_out: Any, tmp_path: Path) -> None:
    """A socket's path of 107 bytes works, and one more is an error that says so."""
    spare = len(f"{tmp_path}//run/qemu/passt/1/net0")
    assert "stream,unix:net0" in plugged(tmp_path / ("d" * (107 - spare)), PASST.format(""))[-1]
    with pytest.raises(libvirt.libvirtError, match=r"than a socket's path can be \(107 bytes\)"):
        plugged(tmp_path / ("d" * (108 - spare)), PASST.format(""))


BUS = "<controller type='usb' model='qemu-xhci' ports='8'/>"
GONE = "net0: its passt ended: killed by signal 9 (SIGKILL)"


def usb(last: str) -> str:
    """A card with a passt that comes and goes without the guest's help."""
    return PASST.format("").replace("'virtio'", "'usb-net'").replace(":02'", f":{last}'")


def degraded(event: Event) -> bool:
    """Of a guest."""
    return isinstance(event, Degraded)


@pytest.mark.parametrize("how", ["at the start", "plugged"])
def test_i13_a_passt_that_dies_degrades_its_guest_until_the_card_is_replaced(
    conn: libvirt.virConnect, namespace: Namespace, how: str
) -> None:
    """QEMU does not connect again, so none is started in its place; what failed is told, and shown."""
    domain = conn.createXML(small("net", devices=BUS + (usb("02") if how == "at the start" else "")), 0)
    if how == "plugged":
        domain.attachDevice(usb("02"))
    with watching(conn.root) as events:
        (program,) = passts(namespace)
        program.kill()
        assert [each.why for each in events.wait(degraded) if isinstance(each, Degraded)] == [GONE]
        assert (domain.messages(), passts(namespace), domain.isActive()) == ([GONE], [], 1)
        crash(conn.root, f"guests/{domain.ID()}-net")
        domain.suspend()
        domain.resume()  # by the next generation
        assert domain.messages() == [GONE]
        domain.detachDevice(usb("02"))
        events.wait(lambda event: isinstance(event, Recovered))
        told = events.fitting(lambda event: isinstance(event, Degraded | Recovered))
    assert [type(each) for each in told] == [Degraded, Recovered]
    assert domain.messages() == []
    domain.attachDevice(usb("02"))
    assert len(passts(namespace)) == 1 and domain.messages() == []
    domain.destroy()


def test_i13_a_passt_that_died_while_nobody_looked_is_found_so(way_out: Namespace, tmp_path: Path) -> None:
    """By the next opening, which has the guest as it runs."""
    root = tmp_path / "root"
    with libvirt.open(uri(root)) as conn:
        conn.createXML(small("net", devices=BUS + usb("02")), 0)
    (program,) = passts(way_out)
    program.kill()
    wait_until(lambda: has_ended(program))
    with opened(root) as conn:
        domain = conn.lookupByName("net")
        wait_until(lambda: domain.messages() == [GONE])
        assert domain.isActive() and passts(way_out) == []
        domain.destroy()


def test_i13_a_passt_that_ends_with_its_card_is_no_loss(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """It may be gone just before the card is: only one whose card stays is told of."""
    domain = conn.createXML(small("net", devices=BUS + usb("02") + usb("03")), 0)
    with watching(conn.root) as events:
        (first,) = namespace.programs("passt", of="52:54:00:00:00:02")
        first.kill()
        wait_until(lambda: has_ended(first))
        domain.detachDevice(usb("02"))
        (program,) = passts(namespace)
        program.kill()
        (told,) = events.wait(degraded)
    assert isinstance(told, Degraded) and told.why == GONE.replace("net0", "net1")
    domain.destroy()


def test_passt_that_cannot_have_a_port_is_the_starts_error(conn: Any, namespace: Any) -> None:
    """With its own words; nothing of the guest is left, and it starts when the port is free."""
    domain = conn.defineXML(small("net", devices=PASST.format(FORWARD.format(2284, 80))))
    with socket.create_server(("127.0.0.1", 2284)), pytest.raises(libvirt.libvirtError, match=r"2284|bind"):
        domain.create()
    assert passts(namespace) == [] and not domain.isActive()
    domain.create()
    domain.destroy()
