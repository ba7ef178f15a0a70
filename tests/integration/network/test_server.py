"""The DHCP server of a network, with a real client in a namespace of its own; autostart; no privilege."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import SECONDS, uri, wait_until
from guest.namespace import Namespace
from integration.network.conftest import network_xml

HOST = "<host mac='52:54:00:11:11:11' name='five' ip='10.7.7.5'/>"
MAC = "52:54:00:11:11:11"
ASK = ("-n", "-q", "-f", "-t", "20")


@contextmanager
def client(namespace: Namespace, bridge: str, mac: str) -> Iterator[int]:
    """A process in a namespace of its own with a link ``eth0`` that leads to the bridge; its pid."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    try:
        own = Path(f"/proc/{holder.pid}/ns/net")
        wait_until(lambda: own.readlink() != Path("/proc/thread-self/ns/net").readlink())
        namespace.run("ip", "link", "add", "guest0", "type", "veth", "peer", "name", "guest1", "address", mac)
        namespace.run("ip", "link", "set", "guest1", "netns", str(holder.pid), "name", "eth0")
        namespace.run("ip", "link", "set", "guest0", "master", bridge, "up")
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def inside(pid: int, *argv: str) -> str:
    """What a program says in the client's namespace."""
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", *argv], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    return done.stdout + done.stderr


def test_a_guest_gets_its_reserved_address_and_the_lease_is_listed(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """By DHCP, with its name, as libvirt-python tells it; after a restart of the server it is known still."""
    network = conn.networkCreateXML(network_xml(more="<bridge stp='off'/>", inside=HOST))
    assert network.DHCPLeases() == []
    with client(namespace, network.bridgeName(), MAC) as pid:
        inside(pid, "ip", "link", "set", "eth0", "up")
        said = inside(pid, "busybox", "udhcpc", "-i", "eth0", *ASK, "-s", "/bin/true")
        assert "lease of 10.7.7.5 obtained" in said
    (lease,) = network.DHCPLeases()
    assert 0 < lease.pop("expirytime") - time.time() < 86_400
    assert lease.pop("clientid").endswith(MAC)
    assert lease == {
        "iface": network.bridgeName(), "type": 0, "mac": MAC, "iaid": None,
        "ipaddr": "10.7.7.5", "prefix": 24, "hostname": "five",
    }  # fmt: skip
    assert len(network.DHCPLeases(MAC.replace(":0", ":"))) == 1
    with pytest.raises(libvirt.libvirtError, match="invalid MAC address: zz") as caught:
        network.DHCPLeases("zz")
    assert caught.value.get_error_code() == libvirt.VIR_ERR_INVALID_MAC
    assert network.DHCPLeases("52:54:00:00:00:00") == []
    assert len(network.DHCPLeases(MAC.upper())) == 1
    (server,) = namespace.programs("dnsmasq")
    server.kill()
    wait_until(lambda: namespace.programs("dnsmasq") not in ([], [server]))
    assert len(network.DHCPLeases()) == 1
    network.destroy()
    assert namespace.traces() == []


def test_networks_with_autostart_start_once_in_a_boot(namespace: Namespace, tmp_path: Path) -> None:
    """With the first opening; what was stopped since stays so. A link in the folder says it, as libvirt's."""
    root = tmp_path / "root"
    with libvirt.open(uri(root, "network")) as conn:
        network = conn.networkDefineXML(network_xml())
        network.setAutostart(1)
        link = root / "etc/qemu/networks/autostart/net.xml"
        assert (network.isActive(), link.resolve()) == (0, root / "etc/qemu/networks/net.xml")
    (root / "run/network/autostarted").unlink()
    with libvirt.open(uri(root, "network")) as conn:
        network = conn.networkLookupByName("net")
        assert (network.isActive(), network.autostart()) == (1, 1)
        network.destroy()
    with libvirt.open(uri(root, "network")) as conn:
        network = conn.networkLookupByName("net")
        assert network.isActive() == 0
        network.setAutostart(0)
        assert not link.exists()
    assert namespace.traces() == []


PROGRAM = """
import sys
import embervirt as libvirt
with libvirt.open(sys.argv[1]) as conn:
    network = conn.networkDefineXML(sys.argv[2])
    try:
        network.create()
    except libvirt.libvirtError as error:
        print(error.get_error_code(), network.isActive(), error)
"""


def test_without_privilege_the_start_says_what_is_missing(namespace: Namespace, tmp_path: Path) -> None:
    """Everything else works: a network can be defined and looked at."""
    argv = [
        sys.executable,
        "-c",
        PROGRAM,
        uri(tmp_path / "root", "network"),
        network_xml(more="<forward mode='nat'/>"),
    ]
    said = namespace.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *argv)
    assert said.startswith("67 0 ") and "CAP_NET_ADMIN" in said
    assert namespace.traces() == []


@pytest.mark.parametrize("options", ["", "<dns enable='no'/>"])
def test_a_network_without_addresses_or_names_has_no_server(
    conn: libvirt.virConnect, namespace: Namespace, options: str
) -> None:
    """Only a bridge and its rules."""
    network = conn.networkCreateXML(f"<network><name>n</name>{options}</network>")
    assert namespace.processes() == [] and network.bridgeName() in namespace.links()
    assert network.DHCPLeases() == []
    network.destroy()
    assert namespace.traces() == []


def test_the_server_has_few_rights(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """A bug in it is not the host: it cannot write what is not its own, nor become somebody else."""
    network = conn.networkCreateXML(network_xml())
    (server,) = namespace.programs("dnsmasq")
    status = Path(f"/proc/{server.pid}/status").read_text()
    said = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("Cap", "NoNew")))
    net_bind_service, net_admin, net_raw, dac_read_search = 10, 12, 13, 2
    rights = sum(1 << each for each in (net_bind_service, net_admin, net_raw, dac_read_search))
    assert (int(said["CapEff"], 16), int(said["CapBnd"], 16), said["NoNewPrivs"]) == (rights, rights, "1")
    network.destroy()
