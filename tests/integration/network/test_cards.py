"""Network cards of guests: taps in QEMU's hands, plugged, changed, unplugged, adopted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import embervirt as libvirt
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.account import public_place
from guest.domain import kill, opened, pid_of, small, uri, wait_until

CARD = "<interface type='{}'><mac address='52:54:00:00:00:{}'/>{}<model type='virtio'/></interface>"
BRIDGE = CARD.format("bridge", "01", "<source bridge='br7'/>{}")
NETWORK = (
    "<network><name>net</name><bridge name='nb7'/><ip address='10.9.8.1' netmask='255.255.255.0'/></network>"
)
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6


def card(domain: virDomain, flags: int = 0) -> Any:
    """The first, as the XML shows it."""
    return etree.fromstring(domain.XMLDesc(flags)).find(".//interface")


def tap_of(domain: virDomain) -> str:
    """The first card's, by the live XML."""
    return str(card(domain).find("target").get("dev"))


@pytest.fixture
def conn(namespace: Any, tmp_path: Path) -> Any:
    """A root in the namespace, with a bridge of somebody else's."""
    namespace.run("ip", "link", "add", "br7", "type", "bridge")
    namespace.run("ip", "link", "set", "br7", "up")
    with opened(tmp_path / "root") as made:
        yield made


def test_tap_of_a_bridge_is_the_guests_and_goes_with_it(namespace: Any, conn: Any) -> None:
    """Its name is in the live XML alone; its link is on the bridge while the guest runs, and then gone."""
    domain = conn.defineXML(small("a", devices=BRIDGE.format("")))
    domain.create()
    tap = tap_of(domain)
    assert namespace.links()[tap]["master"] == "br7"
    assert card(domain, libvirt.VIR_DOMAIN_XML_INACTIVE).find("target") is None
    domain.destroy()
    wait_until(lambda: tap not in namespace.links())
    assert set(namespace.links()) == {"br7"}


def test_start_without_network_leaves_nothing(namespace: Any, conn: Any, tmp_path: Path) -> None:
    """The error is libvirt's, the first card's tap is taken back, and the guest starts after that."""
    other = CARD.format("network", "02", "<source network='net'/>")
    domain = conn.defineXML(small("a", devices=BRIDGE.format("") + other))
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.create()
    assert refused.value.get_error_code() == libvirt.VIR_ERR_NO_NETWORK
    assert set(namespace.links()) == {"br7"}
    assert not domain.isActive()
    with libvirt.open(uri(tmp_path / "root", "network")) as networks:
        networks.networkDefineXML(NETWORK)
        with pytest.raises(libvirt.libvirtError) as inactive:
            domain.create()
        assert inactive.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
        networks.networkLookupByName("net").create()
        domain.create()
        source = etree.fromstring(domain.XMLDesc(0)).findall(".//interface/source")[1]
        assert source.get("bridge") == "nb7" and len(source.get("portid") or "") == 36
        domain.destroy()
        networks.networkLookupByName("net").destroy()


def test_card_is_plugged_changed_and_unplugged(namespace: Any, conn: Any) -> None:
    """A tap comes with the card and goes with it; its cable is pulled on both sides; limits reach the tap."""
    domain = conn.createXML(small("a", devices=PORTS), 0)
    domain.attachDevice(BRIDGE.format(""))
    tap = tap_of(domain)
    assert namespace.links()[tap]["master"] == "br7"
    limited = "<link state='down'/><bandwidth><inbound average='100'/></bandwidth>"
    domain.updateDeviceFlags(BRIDGE.format(limited), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert card(domain).find("link").get("state") == "down"
    assert "UP" not in namespace.links()[tap]["flags"]
    assert "htb" in namespace.run("tc", "qdisc", "show", "dev", tap)
    domain.updateDeviceFlags(BRIDGE.format(""), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert "UP" in namespace.links()[tap]["flags"]
    with pytest.raises(libvirt.libvirtError, match="cannot modify source"):
        domain.updateDeviceFlags(BRIDGE.replace("br7", "br8").format(""), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    qemuMonitorCommand(domain, '{"execute": "qom-list", "arguments": {"path": "/machine"}}', 0)
    domain.destroy()
    wait_until(lambda: tap not in namespace.links())


def test_refused_card_leaves_no_tap(namespace: Any, conn: Any) -> None:
    """QEMU refuses the second card with that alias' netdev; what was made for it is taken back."""
    domain = conn.createXML(small("a", devices=PORTS), 0)
    wrong = BRIDGE.format("<rom file='/nonexistent.rom'/>")
    with pytest.raises(libvirt.libvirtError):
        domain.attachDevice(wrong)
    wait_until(lambda: set(namespace.links()) == {"br7"})
    domain.attachDevice(BRIDGE.format(""))
    assert tap_of(domain) in namespace.links()
    domain.destroy()


def test_adopted_guest_keeps_its_tap_and_gives_it_back(namespace: Any, tmp_path: Path) -> None:
    """After the root was closed and opened again the live XML says the same, and the end leaves nothing."""
    namespace.run("ip", "link", "add", "br7", "type", "bridge")
    root = tmp_path / "root"
    with libvirt.open(uri(root)) as first:
        before = first.createXML(small("a", devices=BRIDGE.format("")), 0).XMLDesc(0)
    with opened(root) as second:
        domain = second.lookupByName("a")
        assert domain.XMLDesc(0) == before
        tap = tap_of(domain)
        domain.updateDeviceFlags(BRIDGE.format("<link state='down'/>"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        assert "UP" not in namespace.links()[tap]["flags"]
        assert domain.interfaceStats(tap)[1] >= 0
        kill(pid_of(root, "a"))
        wait_until(lambda: tap not in namespace.links())


def test_mac_addresses_are_never_given_twice(conn: Any) -> None:
    """Of a definition and of a plugged card, whose guest and definition have the same one."""
    domain = conn.defineXML(small("a", devices=PORTS + "<interface type='user'/>"))
    domain.create()
    domain.attachDeviceFlags("<interface type='user'><model type='virtio'/></interface>", 3)
    live = [each.get("address") for each in etree.fromstring(domain.XMLDesc(0)).findall(".//interface/mac")]
    kept = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).findall(".//interface/mac")
    assert live == [each.get("address") for each in kept]
    assert len(set(live)) == 2
    domain.destroy()


def test_cards_with_one_mac_address_have_a_tap_each(namespace: Any, conn: Any) -> None:
    """As with libvirt a guest may have several, from its start and later; each keeps its own."""
    domain = conn.createXML(small("a", devices=PORTS + BRIDGE.format("") * 2), 0)
    domain.attachDevice(BRIDGE.format(""))
    taps = [each.get("dev") for each in etree.fromstring(domain.XMLDesc(0)).findall(".//interface/target")]
    assert len(set(taps)) == 3 and set(namespace.links()) == {"br7", *taps}
    domain.destroy()
    wait_until(lambda: set(namespace.links()) == {"br7"})


def test_limits_and_counts_are_read_and_set_by_libvirts_calls(namespace: Any, conn: Any) -> None:
    """Of the guest and of its definition, apart; a name or a card that is not there is refused."""
    domain = conn.defineXML(small("a", devices=BRIDGE.format("")))
    domain.create()
    tap = tap_of(domain)
    both = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
    mac = "52:54:00:00:00:01"
    domain.setInterfaceParameters(mac, {"inbound.average": 500, "inbound.peak": 900}, both)
    domain.setInterfaceParameters(tap, {"outbound.average": 50}, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    live, kept = domain.interfaceParameters(tap), domain.interfaceParameters(mac, 2)
    assert (live["inbound.peak"], live["outbound.average"]) == (900, 50)
    assert (kept["inbound.peak"], kept["outbound.average"]) == (900, 0)
    assert "htb" in namespace.run("tc", "qdisc", "show", "dev", tap)
    domain.setInterfaceParameters(mac, {"inbound.average": 0, "outbound.average": 0}, both)
    assert set(domain.interfaceParameters(mac).values()) == {0}
    assert len(domain.interfaceStats(tap)) == 8
    for device, values in (("nobody", {"inbound.average": 1}), (mac, {"inbound.what": 1})):
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.setInterfaceParameters(device, values)
        assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    domain.destroy()


def test_qemu_of_another_user_has_taps_and_passts(namespace: Any) -> None:
    """It has no right to make any: descriptors come, and a passt of its own user; also while it runs."""
    namespace.run("ip", "link", "add", "br7", "type", "bridge")
    namespace.run("ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1")
    namespace.run("ip", "addr", "add", "10.44.0.2/24", "dev", "out0")
    for each in ("out0", "out1"):
        namespace.run("ip", "link", "set", each, "up")
    namespace.run("ip", "route", "add", "default", "via", "10.44.0.1")
    passt = CARD.format("user", "{}", "<backend type='passt'/>")
    with public_place() as place, libvirt.open(uri(place / "root"), settings={"qemu.user": "nobody"}) as conn:
        cards = BRIDGE.format("") + passt.format("02")
        domain = conn.createXML(small("a", devices=PORTS + cards), 0)
        domain.attachDevice(CARD.format("bridge", "03", "<source bridge='br7'/>"))
        domain.attachDevice(passt.format("04"))
        programs = namespace.programs("passt", "qemu")
        assert [each.username() for each in programs] == ["nobody"] * 3
        assert len([each for each in namespace.links().values() if each.get("master") == "br7"]) == 2
        domain.destroy()
        wait_until(lambda: not any(each.is_running() for each in programs))
        assert not list((place / "root/run/qemu/passt").iterdir())


@pytest.mark.parametrize(
    ("xml", "code", "says"),
    [
        ("ethernet'><target dev='none' managed='no'/", 1, "managed='no' but specified dev doesn't exist"),
        ("ethernet'><target managed='no'/", 1, "target dev must be supplied when managed='no'"),
        ("ethernet'><vlan><tag id='5'/></vlan", 67, "vlan tag not supported for this connection type"),
        ("user'><vlan><tag id='5'/></vlan", 67, "vlan tag not supported for this connection type"),
    ],
)
def test_what_nobody_does_for_a_card_is_refused_at_its_start(
    namespace: Any, conn: Any, xml: str, code: int, says: str
) -> None:
    """As libvirt refuses it; nothing is left."""
    with pytest.raises(libvirt.libvirtError, match=says) as refused:
        conn.createXML(small("a", devices=f"<interface type='{xml}></interface>"), 0)
    assert refused.value.get_error_code() == code
    assert set(namespace.links()) == {"br7"} and conn.listAllDomains() == []


def test_a_cable_is_pulled_when_the_network_has_gone(conn: Any) -> None:
    """Its port went with it; the guest's end is there still."""
    network = conn.networkCreateXML(NETWORK)
    domain = conn.createXML(small("a", devices=CARD.format("network", "02", "<source network='net'/>")), 0)
    network.destroy()
    plain = etree.tostring(card(domain), encoding="unicode")
    pulled = plain.replace("</interface>", "<link state='down'/></interface>")
    domain.updateDeviceFlags(pulled, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert card(domain).find("link").get("state") == "down"
    limited = pulled.replace("</interface>", "<bandwidth><inbound average='5'/></bandwidth></interface>")
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.updateDeviceFlags(limited, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert refused.value.get_error_code() == libvirt.VIR_ERR_NO_NETWORK_PORT
