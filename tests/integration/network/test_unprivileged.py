"""Networks of a program that may not configure the host's: guests meet on a switch of sockets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt as libvirt
from embervirt.drivers.network.messages import NetworkRecovered
from guest.domain import Console, crash, kill, linux, opened, qemus, small, uri, wait_until, watching
from guest.image import READY, ensure
from guest.namespace import entered
from guest.privilege import NET_ADMIN, without
from guest.shell import Shell

PROGRAM = "embervirt.drivers.network.switch"
NETWORK = """
<network><name>lab</name><uuid>5f1c1c64-0000-4000-8000-000000000001</uuid><domain name='lab.test'/>
  <dns><host ip='10.8.0.77'><hostname>printer</hostname></host></dns>
  <ip address='10.8.0.1' netmask='255.255.255.0'><dhcp><range start='10.8.0.100' end='10.8.0.110'/>
    <host mac='52:54:00:00:08:02' name='two' ip='10.8.0.2'/></dhcp></ip></network>"""
CARD = (
    "<interface type='network'><mac address='52:54:00:00:08:{:02}'/><source network='lab'/>"
    "<model type='virtio'/>{}</interface>"
)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of a program without CAP_NET_ADMIN."""
    with without(NET_ADMIN), opened(tmp_path / "root") as made:
        yield made
        for network in made.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            network.destroy()


def switches(root: Path) -> list[int]:
    """Pids of the switches of a root; their recorders have the same words."""
    found = ((each.pid, each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))
    return [pid for pid, words in found if words[1:3] == ["-m", PROGRAM] and words[3].startswith(f"{root}/")]


def booted(conn: libvirt.virConnect, root: Path, number: int, more: str = "") -> Shell:
    """A Linux guest with a card on the network, with an address."""
    ensure()
    domain = conn.createXML(linux(f"guest{number}", devices=CARD.format(number, more)), 0)
    Console(root, f"guest{number}").until(READY)
    return Shell(domain)


def test_guests_get_addresses_and_names_and_reach_each_other(conn: Any, tmp_path: Path) -> None:
    """Also after the actor crashed and the switch was killed; leases are told as libvirt tells them."""
    root = tmp_path / "root"
    network = conn.networkDefineXML(NETWORK)
    network.create()
    one, two = booted(conn, root, 1), booted(conn, root, 2)
    Console(root, "guest1").until("NET eth0 10.8.0.100")
    Console(root, "guest2").until("NET eth0 10.8.0.2")
    assert "10.8.0.2" in one.ask("nslookup two.lab.test 10.8.0.1")
    assert "10.8.0.77" in one.ask("nslookup printer.lab.test 10.8.0.1")
    assert " 0% packet loss" in one.ask("ping -c 2 10.8.0.2")
    leases = {each["mac"]: each for each in network.DHCPLeases()}
    assert leases["52:54:00:00:08:02"]["ipaddr"] == "10.8.0.2"
    assert leases["52:54:00:00:08:02"]["hostname"] == "two"
    (before,) = switches(root)
    crash(conn.root, "drivers/network")
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()  # the successor is up
    assert network.isActive() and switches(root) == [before]
    with watching(conn.root) as events:
        os.kill(before, signal.SIGKILL)
        events.wait(lambda event: isinstance(event, NetworkRecovered))
    assert before not in switches(root)
    assert " 0% packet loss" in one.ask("ping -c 2 10.8.0.2")
    assert "10.8.0.1" in two.ask("ping -c 1 10.8.0.1; nslookup two.lab.test 10.8.0.1")


def test_a_card_is_plugged_cut_and_unplugged(conn: Any, tmp_path: Path) -> None:
    """Its sockets come and go; with its link down nothing passes."""
    root = tmp_path / "root"
    conn.networkDefineXML(NETWORK).create()
    ports = "".join(f"<controller type='pci' index='{n}' model='pcie-root-port'/>" for n in range(1, 9))
    ensure()
    domain = conn.createXML(linux("guest1", devices=ports), 0)
    Console(root, "guest1").until(READY)
    shell = Shell(domain)
    domain.attachDevice(CARD.format(1, ""))
    shell.until("eth0", "ls /sys/class/net")
    told = shell.ask("ip link set eth0 up; udhcpc -i eth0 -s /etc/dhcp -q -n -t 20; ping -c 1 -W 60 10.8.0.1")
    assert " 0% packet loss" in told
    assert len(list((root / "run/ports").glob("*.port"))) == 1
    domain.updateDeviceFlags(CARD.format(1, "<link state='down'/>"), 1)
    assert "100% packet loss" in shell.ask("ping -c 1 -W 1 10.8.0.1")
    domain.updateDeviceFlags(CARD.format(1, "<link state='up'/>"), 1)
    shell.until(" 0% packet loss", "ping -c 1 -W 1 10.8.0.1")
    domain.detachDevice(CARD.format(1, ""))
    wait_until(lambda: conn.networkLookupByName("lab").listAllPorts() == [])
    wait_until(lambda: list((root / "run/ports").iterdir()) == [])  # the switch takes its own away


def test_networks_outlive_their_agent(tmp_path: Path) -> None:
    """A close leaves switch and guest; the next open knows both; a stop leaves no process and no file."""
    root = tmp_path / "root"
    with without(NET_ADMIN):
        with libvirt.open(uri(root)) as conn:
            conn.networkDefineXML(NETWORK).create()
            conn.createXML(small("guest", devices=CARD.format(1, "")), 0)
        (switch,) = switches(root)
        with opened(root) as conn:
            network = conn.networkLookupByName("lab")
            assert network.isActive() and switches(root) == [switch]
            (port,) = network.listAllPorts()
            assert "<plug type='none'/>" in port.XMLDesc()
            with pytest.raises(libvirt.libvirtError, match="does not have a bridge name"):
                network.bridgeName()
            conn.lookupByName("guest").destroy()
            wait_until(lambda: network.listAllPorts() == [])
            network.destroy()
    assert switches(root) == []
    assert list((root / "run/ports").iterdir()) == []
    assert sorted(path.name for path in (root / "lib/dnsmasq").iterdir()) == []


def test_a_qemu_that_died_with_its_agent_leaves_no_port(tmp_path: Path) -> None:
    """The next open finds that the socket is nobody's."""
    root = tmp_path / "root"
    with without(NET_ADMIN):
        with libvirt.open(uri(root)) as conn:
            conn.networkDefineXML(NETWORK).create()
            conn.createXML(small("guest", devices=CARD.format(1, "")), 0)
        for pid in qemus(root):
            kill(pid)
        with opened(root) as conn:
            network = conn.networkLookupByName("lab")
            wait_until(lambda: network.listAllPorts() == [])
            network.destroy()
        assert list((root / "run/ports").iterdir()) == []


def test_a_network_of_other_rights_is_left_alone_and_shown(tmp_path: Path) -> None:
    """Its guests keep it; nobody joins; it can be destroyed, and be a bridge with the next start."""
    root = tmp_path / "root"
    with entered() as here:
        with without(NET_ADMIN), libvirt.open(uri(root)) as conn:
            conn.networkDefineXML(NETWORK).create()
        (switch,) = switches(root)
        with opened(root) as conn:
            network = conn.networkLookupByName("lab")
            assert network.isActive() and switches(root) == [switch] and here.links() == {}
            row = conn._face("network").tables.networks.get(network.UUIDString())
            assert "other rights" in row.problems[0][1]
            with pytest.raises(libvirt.libvirtError, match="one of sockets"):
                conn.createXML(small("guest", devices=CARD.format(1, "")), 0)
            network.destroy()
            assert switches(root) == []
            network.create()
            assert network.bridgeName() in here.links()
            network.destroy()


REFUSED = {
    "<forward mode='nat'/><ip address='10.9.9.1' prefix='24'/>": "forward mode 'nat' needs",
    "<forward mode='bridge'/><bridge name='br0'/>": "forward mode 'bridge' needs",
    "<ip family='ipv6' address='fd00::1' prefix='64'/>": "<ip family='ipv6'> needs",
    "<bandwidth><inbound average='1'/></bandwidth>": "<bandwidth> needs",
}


@pytest.mark.parametrize("more", REFUSED)
def test_what_takes_a_privilege_says_so_at_its_start(conn: Any, tmp_path: Path, more: str) -> None:
    """And leaves nothing; it may be defined, for another program may start it."""
    network = conn.networkDefineXML(f"<network><name>n</name>{more}</network>")
    with pytest.raises(libvirt.libvirtError, match=REFUSED[more]) as caught:
        network.create()
    assert caught.value.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert not network.isActive() and switches(tmp_path / "root") == []


@pytest.mark.parametrize("kind", ["bridge' ><source bridge='br0'/", "ethernet'"])
def test_taps_take_a_privilege(conn: Any, kind: str) -> None:
    """Named with what would do without."""
    card = f"<interface type='{kind}></interface>".replace("' ><", "'><")
    with pytest.raises(libvirt.libvirtError, match="CAP_NET_ADMIN; expected type 'user'"):
        conn.createXML(small("guest", devices=card), 0)
