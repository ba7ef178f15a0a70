"""Guests' interfaces: taps and macvtaps that are handed over as descriptors, with all that is set on them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.network.messages import SetPortParameters, Unplug, UpdatePort
from guest.domain import crash, uri
from guest.namespace import Namespace
from integration.network.conftest import GUEST, MAC, close, network_xml, plug

TUNGETIFF = 0x800454D2
RATE = (
    "<bandwidth><inbound average='100' peak='200' burst='64'/><outbound average='50' burst='70'/></bandwidth>"
)


@pytest.fixture
def network(conn: libvirt.virConnect) -> libvirt.virNetwork:
    """Active, without a definition."""
    return conn.networkCreateXML(network_xml())


def name_of(descriptor: int) -> tuple[str, int]:
    """Of a tap's queue: name and flags."""
    said = fcntl.ioctl(descriptor, TUNGETIFF, bytes(40))
    return said[:16].split(b"\0")[0].decode(), struct.unpack_from("H", said, 16)[0]


def classes(namespace: Namespace, tap: str) -> list[str]:
    """What HTB does there."""
    return namespace.run("tc", "class", "show", "dev", tap).splitlines()


def test_a_tap_is_in_the_bridge_and_its_queues_are_handed_over(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """Its name is ours, its address is not the guest's; it goes with the last descriptor."""
    port, descriptors = plug(conn, queues=3, mtu=1400)
    link = namespace.links()[port.tap]
    assert conn.root.paths.hash8[:6] in port.tap and len(port.tap) <= 15
    assert (link["master"], link["mtu"], link["address"]) == (network.bridgeName(), 1400, "fe:54:00:11:11:11")
    assert "UP" in link["flags"]
    assert [name_of(each)[0] for each in descriptors] == [port.tap] * 3
    assert not any(os.get_inheritable(each) for each in descriptors)
    (found,) = network.listAllPorts()
    assert (found.UUIDString(), found.network().name()) == (port.id, "net")
    assert f"<uuid>{GUEST}</uuid>" in found.XMLDesc() and f"bridge='{port.bridge}'" in found.XMLDesc()
    assert network.XMLDesc().startswith("<network connections='1'>")
    close(descriptors)


def test_a_request_that_is_repeated_has_one_port(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """The same id and name, new descriptors: those of the first time are worth nothing."""
    first, old = plug(conn)
    second, new = plug(conn)
    assert (second.id, second.tap) == (first.id, first.tap)
    assert len(network.listAllPorts()) == 1
    close(old)
    assert port_is_there(namespace, second.tap)
    conn.root.call("network", Unplug(second.id))
    conn.root.call("network", Unplug(second.id))
    assert network.listAllPorts() == [] and not port_is_there(namespace, second.tap)
    close(new)


def port_is_there(namespace: Namespace, tap: str) -> bool:
    """Whether its link is."""
    return tap in namespace.links()


def test_two_guests_have_not_one_tap(conn: libvirt.virConnect, network: libvirt.virNetwork) -> None:
    """A wanted name is given, with a number where it asks for one; one that is taken is refused."""
    first, a = plug(conn, mac="52:54:00:00:00:01")
    second, b = plug(conn, mac="52:54:00:00:00:02")
    named, c = plug(conn, mac="52:54:00:00:00:03", target="mine%d")
    assert len({first.tap, second.tap}) == 2 and named.tap == "mine0"
    with pytest.raises(libvirt.libvirtError, match="Unable to create tap device mine0"):
        plug(conn, mac="52:54:00:00:00:04", target="mine0")
    assert len(network.listAllPorts()) == 3
    close(a + b + c)


def test_bandwidth_is_set_on_the_tap_and_can_change(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """HTB towards the guest, a limit at the ingress from it; nothing of it is left."""
    port, descriptors = plug(conn, bandwidth=RATE)
    assert "rate 800Kbit ceil 1600Kbit" in classes(namespace, port.tap)[0]
    assert "limit rate over 50 kbytes/second burst 70 kbytes drop" in namespace.run("nft", "list", "ruleset")
    (handle,) = network.listAllPorts()
    assert handle.parameters() == {
        "inbound.average": 100, "inbound.peak": 200, "inbound.floor": 0, "inbound.burst": 64,
        "outbound.average": 50, "outbound.peak": 0, "outbound.burst": 70,
    }  # fmt: skip
    handle.setParameters({"inbound.average": 1000, "inbound.peak": 0, "outbound.average": 0})
    assert "rate 8Mbit ceil 8Mbit" in classes(namespace, port.tap)[0]
    assert "limit rate over" not in namespace.run("nft", "list", "ruleset")
    assert "outbound" not in handle.XMLDesc()
    conn.root.call("network", UpdatePort(port.id, bandwidth=""))
    assert classes(namespace, port.tap) == []
    with pytest.raises(libvirt.libvirtError, match=r"parameter 'inbound\.speed': expected one of"):
        conn.root.call("network", SetPortParameters(network.UUIDString(), port.id, {"inbound.speed": 1}))
    conn.root.call("network", Unplug(port.id))
    close(descriptors)


def test_a_networks_bandwidth_is_set_on_its_bridge(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """And goes with it."""
    network = conn.networkCreateXML(network_xml(more=RATE))
    assert "rate 800Kbit ceil 1600Kbit" in classes(namespace, network.bridgeName())[0]
    assert f'device "{network.bridgeName()}"' in namespace.run("nft", "list", "ruleset")
    network.destroy()
    assert namespace.traces() == []


def test_a_portgroup_gives_what_the_interface_does_not_say(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """By its name, or the default; a name that nobody has is refused."""
    slow = RATE.replace("100", "10")
    groups = (
        f"<portgroup name='fast' default='yes'>{RATE}</portgroup><portgroup name='slow'>{slow}</portgroup>"
    )
    conn.networkCreateXML(network_xml(more=groups))
    default, a = plug(conn, mac="52:54:00:00:00:01")
    named, b = plug(conn, mac="52:54:00:00:00:02", portgroup="slow")
    assert "rate 800Kbit" in classes(namespace, default.tap)[0]
    assert "rate 80Kbit" in classes(namespace, named.tap)[0]
    with pytest.raises(libvirt.libvirtError, match="has no portgroup 'none'; it has 'fast', 'slow'"):
        plug(conn, mac="52:54:00:00:00:03", portgroup="none")
    close(a + b)


def test_a_port_can_be_isolated_and_its_link_down(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """At the start, and while a guest has it."""
    port, descriptors = plug(conn, isolated=True, link_up=False)
    (bridge_port,) = json.loads(namespace.run("bridge", "-d", "-j", "link", "show", "dev", port.tap))
    assert bridge_port["isolated"] and "UP" not in namespace.links()[port.tap]["flags"]
    assert "<port isolated='yes'/>" in network.listAllPorts()[0].XMLDesc()
    conn.root.call("network", UpdatePort(port.id, link_up=True, isolated=False))
    (bridge_port,) = json.loads(namespace.run("bridge", "-d", "-j", "link", "show", "dev", port.tap))
    assert not bridge_port["isolated"] and "UP" in namespace.links()[port.tap]["flags"]
    close(descriptors)


def test_with_the_mac_table_manager_of_libvirt_the_bridge_learns_nothing(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """The guest's address is told to it."""
    network = conn.networkCreateXML(network_xml(more="<bridge macTableManager='libvirt'/>"))
    port, descriptors = plug(conn)
    (bridge_port,) = json.loads(namespace.run("bridge", "-d", "-j", "link", "show", "dev", port.tap))
    assert (bridge_port["learning"], bridge_port["flood"]) == (False, False)
    known = json.loads(namespace.run("bridge", "-j", "fdb", "show", "br", network.bridgeName()))
    assert any(each["mac"] == MAC and each["ifname"] == port.tap for each in known)
    close(descriptors)


def test_a_filter_is_a_table_of_the_taps_own_and_outlives_the_actor(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """It can change, and goes with the port."""
    port, descriptors = plug(conn, filterref="<filterref filter='clean-traffic'/>")
    (table,) = [each for each in namespace.tables() if each.startswith("table bridge")]
    assert port.tap in table and "drop" in namespace.run("nft", "list", *table.split())
    before = namespace.run("nft", "-a", "list", *table.split())
    crash(conn.root, "drivers/network")
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()
    assert namespace.run("nft", "-a", "list", *table.split()) == before
    conn.root.call("network", UpdatePort(port.id, filterref=""))
    assert table not in namespace.tables()
    with pytest.raises(libvirt.libvirtError, match="no-such-filter"):
        conn.root.call("network", UpdatePort(port.id, filterref="<filterref filter='no-such-filter'/>"))
    conn.root.call("network", UpdatePort(port.id, filterref="<filterref filter='no-mac-spoofing'/>"))
    assert table in namespace.tables()
    conn.root.call("network", Unplug(port.id))
    assert table not in namespace.tables()
    close(descriptors)


def test_a_bridge_of_the_host_takes_guests_and_stays(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """As an interface's own source, or by a network of mode bridge."""
    namespace.run("ip", "link", "add", "br0", "type", "bridge")
    namespace.run("ip", "link", "set", "br0", "mtu", "1300", "up")
    xml = "<network><name>host</name><forward mode='bridge'/><bridge name='br0'/></network>"
    network = conn.networkCreateXML(xml)
    by_name, a = plug(conn, "br0", type="bridge", mac="52:54:00:00:00:01")
    by_network, b = plug(conn, "host", mac="52:54:00:00:00:02")
    links = namespace.links()
    assert [links[each.tap]["master"] for each in (by_name, by_network)] == ["br0", "br0"]
    assert (links[by_name.tap]["mtu"], by_name.mtu) == (1300, 1300)
    assert [each.UUIDString() for each in network.listAllPorts()] == [by_network.id]
    with pytest.raises(libvirt.libvirtError, match="this host has no link 'br9'"):
        plug(conn, "br9", type="bridge", mac="52:54:00:00:00:03")
    close(a + b)
    network.destroy()
    assert "br0" in namespace.links() and namespace.tables() == []


def test_an_ethernet_is_a_tap_that_nobody_joins(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """Made here, or one that is there already, which stays."""
    port, descriptors = plug(conn, "", type="ethernet", target="own0")
    assert "master" not in namespace.links()["own0"] and port.bridge == ""
    conn.root.call("network", Unplug(port.id))
    close(descriptors)
    namespace.run("ip", "tuntap", "add", "theirs", "mode", "tap", "vnet_hdr")
    port, descriptors = plug(conn, "", type="ethernet", target="theirs", managed=False)
    conn.root.call("network", Unplug(port.id))
    close(descriptors)
    assert list(namespace.links()) == ["theirs"]


@pytest.mark.parametrize("mode", ["bridge", "vepa", "private", "passthrough"])
def test_a_macvtap_is_on_the_link_below(conn: libvirt.virConnect, namespace: Namespace, mode: str) -> None:
    """With the guest's own address."""
    namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    port, descriptors = plug(conn, "up0", type="direct", mode=mode)
    link = namespace.links()[port.tap]
    assert (link["link"], link["address"], port.type, port.link) == ("up0", MAC, "macvtap", "up0")
    assert link["linkinfo"]["info_data"]["mode"] == mode.replace("passthrough", "passthru")
    assert name_of(descriptors[0])[0] == port.tap
    conn.root.call("network", Unplug(port.id))
    close(descriptors)
    assert port.tap not in namespace.links()


def test_a_pool_of_links_is_shared_out(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """The one with the fewest guests; with passthrough each has one for itself."""
    for pair in ("a", "b"):
        namespace.run("ip", "link", "add", f"{pair}0", "type", "veth", "peer", "name", f"{pair}1")
    pool = "<interface dev='a0'/><interface dev='b0'/>"
    xml = f"<network><name>pool</name><forward mode='passthrough'>{pool}</forward></network>"
    network = conn.networkCreateXML(xml)
    first, a = plug(conn, "pool", mac="52:54:00:00:00:01")
    second, b = plug(conn, "pool", mac="52:54:00:00:00:02")
    assert {first.link, second.link} == {"a0", "b0"}
    assert "<interface dev='b0' connections='1'/>" in network.XMLDesc()
    with pytest.raises(libvirt.libvirtError, match="requires exclusive access to interfaces, but none"):
        plug(conn, "pool", mac="52:54:00:00:00:03")
    with pytest.raises(libvirt.libvirtError, match="network 'pool' does not have a bridge name"):
        network.bridgeName()
    for port in (first, second):
        conn.root.call("network", Unplug(port.id))
    close(a + b)


def test_descriptors_that_nobody_takes_are_closed(namespace: Namespace, tmp_path: Path) -> None:
    """At the end of the actor at the latest; the tap goes with them, and the next opening knows it."""
    from embervirt.drivers.network.messages import Owner, Plug

    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        network = conn.networkCreateXML(network_xml())
        bridge = network.bridgeName()
        conn.root.call("network", Plug(Owner(GUEST, "guest", "run"), MAC, "network", "net"))
        assert len(namespace.links()) == 2
    assert list(namespace.links()) == [bridge]
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        network = conn.networkLookupByName("net")
        assert network.listAllPorts() == []
        network.destroy()


@pytest.mark.parametrize("after", [0, 1])
def test_a_port_that_cannot_be_recorded_is_none(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork, after: int
) -> None:
    """A full disk, before or after the tap was made: nothing of it is left, and it can be tried again."""
    where = {"path": "*/run/network/ports/*.json"}
    with (
        faults.inject("file.renamed", faults.error(errno.ENOSPC), after=after, times=1, where=where),
        pytest.raises(libvirt.libvirtError, match="No space left"),
    ):
        plug(conn)
    assert list(namespace.links()) == [network.bridgeName()]
    assert list(conn.root.paths.networks_run.rglob("ports/*.json")) == []
    _, descriptors = plug(conn)
    assert len(network.listAllPorts()) == 1
    close(descriptors)


def test_ports_that_are_described_are_counted(conn: libvirt.virConnect, network: libvirt.virNetwork) -> None:
    """Made, found, refused a second time, deleted; as libvirt words it."""
    uuid = "33333333-3333-3333-3333-333333333333"
    owner = f"<owner><name>g</name><uuid>{GUEST}</uuid></owner>"
    xml = f"<networkport><uuid>{uuid}</uuid>{owner}<mac address='{MAC}'/></networkport>"
    port = network.portCreateXML(xml)
    assert f"<plug type='network' bridge='{network.bridgeName()}'/>" in port.XMLDesc()
    assert network.portLookupByUUID(port.UUID()).UUIDString() == uuid
    with pytest.raises(libvirt.libvirtError) as caught:
        network.portCreateXML(xml)
    said = f"network port Network port with UUID {uuid} already exists exists already"
    assert (caught.value.get_error_code(), str(caught.value)) == (106, said)
    port.delete()
    with pytest.raises(libvirt.libvirtError) as caught:
        port.XMLDesc()
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_NETWORK_PORT
    plugged = xml.replace("</networkport>", "<plug type='network' bridge='b'/></networkport>")
    for text, flags, said in (
        (plugged, 0, "Port reclaim not requested but plug type is not none"),
        (xml, libvirt.VIR_NETWORK_PORT_CREATE_RECLAIM, "Port reclaim requested but plug type is none"),
    ):
        with pytest.raises(libvirt.libvirtError, match=said) as caught:
            network.portCreateXML(text, flags)
        assert caught.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    assert network.portCreateXML(plugged, libvirt.VIR_NETWORK_PORT_CREATE_RECLAIM).UUIDString() == uuid
    network.destroy()
    with pytest.raises(libvirt.libvirtError) as caught:
        network.portLookupByUUIDString(uuid)
    assert caught.value.get_error_code() in (libvirt.VIR_ERR_NO_NETWORK_PORT, libvirt.VIR_ERR_NO_NETWORK)
