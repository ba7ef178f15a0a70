"""Networks on a real kernel, in a namespace of the test's own: their life, and what is refused."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from guest.domain import SECONDS, uri
from guest.namespace import Namespace
from integration.network.conftest import network_xml

NAT = "<forward mode='nat'/>"


def refusal(call: Callable[..., Any], *arguments: Any) -> tuple[int | None, int | None, str]:
    """Code, domain and text of the error."""
    with pytest.raises(libvirt.libvirtError) as caught:
        call(*arguments)
    return caught.value.get_error_code(), caught.value.get_error_domain(), str(caught.value)


def test_a_network_is_a_bridge_with_all_that_its_xml_says(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """Address, MTU, MAC, spanning tree, routes, rules and a server; nothing of it is left when it stops."""
    six = "<ip family='ipv6' address='fd00:7::1' prefix='64'/>"
    more = f"{NAT}<bridge stp='off'/><mtu size='1400'/><mac address='52:54:00:aa:bb:cc'/>{six}"
    route = "<route address='10.99.0.0' prefix='16' gateway='10.7.7.9' metric='5'/>"
    network = conn.networkDefineXML(network_xml(more=more + route))
    assert namespace.traces() == []
    network.create()
    bridge = network.bridgeName()
    link = namespace.links()[bridge]
    assert bridge.startswith("eb") and conn.root.paths.hash8 in bridge
    assert (link["mtu"], link["address"]) == (1400, "52:54:00:aa:bb:cc")
    assert link["linkinfo"]["info_kind"] == "bridge" and not link["linkinfo"]["info_data"]["stp_state"]
    assert namespace.addresses(bridge) == ["10.7.7.1/24", "fd00:7::1/64"]
    assert "10.99.0.0/16 via 10.7.7.9" in namespace.run("ip", "route")
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
    assert "masquerade" in namespace.run("nft", "list", "ruleset")
    assert len(namespace.programs("dnsmasq")) == 1
    network.destroy()
    assert namespace.traces() == []
    places = [conn.root.paths.networks_run, conn.root.paths.dnsmasq]
    files = [each for place in places for each in place.rglob("*")]
    assert [each.name for each in files if each.is_file()] == ["autostarted"]


def test_a_network_lives_as_libvirts_does(conn: libvirt.virConnect) -> None:
    """Defined, started, undefined while it runs, stopped: each state shows; out of turn is refused."""
    network = conn.networkDefineXML(network_xml())
    assert (network.isActive(), network.isPersistent(), network.autostart()) == (0, 1, 0)
    assert refusal(network.destroy)[2] == "Requested operation is not valid: network 'net' is not active"
    network.create()
    assert (network.isActive(), conn.listNetworks(), conn.listDefinedNetworks()) == (1, ["net"], [])
    assert refusal(network.create) == (55, 19, "Requested operation is not valid: network is already active")
    network.setAutostart(1)
    network.undefine()
    assert (network.isActive(), network.isPersistent(), network.autostart()) == (1, 0, 0)
    assert refusal(network.undefine)[2].endswith("can't undefine transient network")
    assert refusal(network.setAutostart, 1)[2].endswith("cannot set autostart for transient network")
    network.destroy()
    assert refusal(network.XMLDesc)[:2] == (43, 19)
    assert conn.listAllNetworks() == []


def test_look_ups_and_lists_find_what_they_say(conn: libvirt.virConnect) -> None:
    """By name, UUID and flags."""
    one = conn.networkDefineXML("<network><name>one</name></network>")
    two = conn.networkCreateXML("<network><name>two</name></network>")
    one.setAutostart(1)
    assert conn.networkLookupByName("one").UUID() == one.UUID()
    assert conn.networkLookupByUUID(two.UUID()).name() == "two"
    assert conn.networkLookupByUUIDString(two.UUIDString()).connect() is conn
    flags = [1, 2, 4, 8, 16, 32, 1 | 8]
    names = [[each.name() for each in conn.listAllNetworks(flag)] for flag in flags]
    assert names == [["one"], ["two"], ["one"], ["two"], ["one"], ["two"], []]
    assert (conn.numOfNetworks(), conn.numOfDefinedNetworks()) == (1, 1)
    assert refusal(conn.networkLookupByName, "x")[2].endswith("no network with matching name 'x'")


def test_the_live_xml_is_not_that_of_the_next_start(conn: libvirt.virConnect) -> None:
    """A redefinition waits for the next start; an active one tells the ports that it translates to."""
    network = conn.networkDefineXML(network_xml(more=NAT))
    network.create()
    assert "<port start='1024' end='65535'/>" in network.XMLDesc()
    uuid = f"<uuid>{network.UUIDString()}</uuid>"
    conn.networkDefineXML(network_xml(address="10.8.8.1", more=uuid))
    assert "10.7.7.1" in network.XMLDesc() and "10.8.8.1" in network.XMLDesc(1)
    network.destroy()
    assert "10.8.8.1" in network.XMLDesc()


def test_events_tell_what_happened_to_which_network(conn: libvirt.virConnect) -> None:
    """In order, for one network or for all."""
    heard: queue.Queue[tuple[str, int]] = queue.Queue()
    id_ = conn.networkEventRegisterAny(
        None,
        libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
        lambda c, net, event, detail, q: q.put((net.name(), event)),
        heard,
    )
    network = conn.networkDefineXML("<network><name>n</name></network>")
    network.create()
    network.destroy()
    network.undefine()
    told = [heard.get(timeout=SECONDS) for _ in range(4)]
    assert told == [("n", 0), ("n", 2), ("n", 3), ("n", 1)]
    conn.networkEventDeregisterAny(id_)


@pytest.mark.parametrize(
    ("xml", "code", "says"),
    [
        (
            "<network><name>a</name><bridge name='there'/></network>",
            38,
            "error creating bridge interface there: File exists",
        ),
        (network_xml("a", "10.44.0.9"), 1, "Network is already in use by interface there: 10.44.0.0/24"),
        (
            "<network><name>a</name><forward mode='bridge'/><bridge name='none'/></network>",
            67,
            "no link 'none'",
        ),
        (
            "<network><name>a</name><forward mode='bridge'/><bridge name='lo'/></network>",
            67,
            "expected a bridge",
        ),
        ("<network><name>a</name><forward mode='private' dev='none'/></network>", 67, "no link 'none'"),
        ("<network><name>a</name><forward mode='vepa' dev='none'/></network>", 67, "no link 'none'"),
        ("<network><name>a</name><forward mode='passthrough' dev='none'/></network>", 67, "no link 'none'"),
        (
            "<network><name>a</name><forward mode='hostdev'><pf dev='none'/></forward></network>",
            1,
            "No usable Vf's present on SRIOV PF none",
        ),
        (
            "<network><name>a</name><forward mode='hostdev'>"
            "<address type='pci' domain='0xffff' bus='0' slot='0' function='0'/></forward></network>",
            67,
            "device '/sys/bus/pci/devices/ffff:00:00.0' in network 'a' is not an SR-IOV Virtual Function",
        ),
    ],
)
def test_what_the_host_cannot_do_is_refused_and_leaves_nothing(
    conn: libvirt.virConnect, namespace: Namespace, xml: str, code: int, says: str
) -> None:
    """The error says what clashes with what; the network can be defined all the same."""
    namespace.run("ip", "link", "add", "there", "type", "bridge")
    namespace.run("ip", "addr", "add", "10.44.0.1/24", "dev", "there")
    network = conn.networkDefineXML(xml)
    found, _, text = refusal(network.create)
    assert found == code and says in text
    assert (network.isActive(), list(namespace.links())) == (0, ["there"])
    assert (namespace.tables(), namespace.processes()) == ([], [])
    assert list((conn.root.paths.networks_run).glob("*.json")) == []


def test_two_networks_have_not_one_name_bridge_or_uuid(conn: libvirt.virConnect) -> None:
    """libvirt's codes and words."""
    one = conn.networkDefineXML("<network><name>a</name><bridge name='br7'/></network>")
    uuid = one.UUIDString()
    code, domain, text = refusal(conn.networkDefineXML, "<network><name>a</name></network>")
    assert (code, domain) == (9, 19) and f"network 'a' already exists with uuid {uuid}" in text
    code, _, text = refusal(conn.networkDefineXML, f"<network><name>b</name><uuid>{uuid}</uuid></network>")
    assert code == 9 and f"network 'a' is already defined with uuid {uuid}" in text
    code, _, text = refusal(conn.networkDefineXML, "<network><name>b</name><bridge name='br7'/></network>")
    assert code == 1 and "bridge name 'br7' already in use" in text


def test_a_failing_server_or_missing_program_undoes_the_start(
    conn: libvirt.virConnect, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dnsmasq's own words are in the error; nothing of the network is left."""
    option = "<dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
    broken = network_xml(more=f"{option}<dnsmasq:option value='no-such-thing'/></dnsmasq:options>")
    network = conn.networkDefineXML(broken)
    code, _, text = refusal(network.create)
    assert code == 1 and "bad option" in text and "dnsmasq" in text
    assert (namespace.traces(), network.isActive()) == ([], 0)
    found = shutil.which
    hidden = {"dnsmasq"}
    monkeypatch.setattr(
        "shutil.which", lambda name, path=None: None if name in hidden else found(name, path=path)
    )
    code, _, text = refusal(conn.networkCreateXML, network_xml("other"))
    assert code == 38 and "Cannot find 'dnsmasq' in path" in text
    monkeypatch.undo()
    assert namespace.traces() == []


@pytest.mark.parametrize("path", ["", "/nowhere", None])
def test_the_path_of_the_program_does_not_matter(
    conn: libvirt.virConnect, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    """All that a network needs is found where administrators' programs are, its recorder's shell too."""
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", path)
    conn.networkCreateXML(network_xml(more="<forward mode='nat'/>")).destroy()
    monkeypatch.undo()
    assert namespace.traces() == []


def test_two_roots_do_not_clash_on_names(namespace: Namespace, tmp_path: Path) -> None:
    """Bridges that are not named have the root's hash in theirs, and so have tables."""
    with (
        libvirt.open(uri(tmp_path / "one", "network")) as one,
        libvirt.open(uri(tmp_path / "two", "network")) as two,
    ):
        first = one.networkCreateXML(network_xml(address="10.7.7.1"))
        second = two.networkCreateXML(network_xml(address="10.8.8.1"))
        assert first.bridgeName() != second.bridgeName()
        assert sorted(namespace.links()) == sorted([first.bridgeName(), second.bridgeName()])
        first.destroy()
        assert list(namespace.links()) == [second.bridgeName()]
        second.destroy()
    assert namespace.traces() == []
