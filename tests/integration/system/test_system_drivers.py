"""A root whose secrets, volumes and networks are those of a real libvirtd."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import embervirt
from embervirt.actors.messages import Request
from embervirt.drivers.network import messages as network
from embervirt.drivers.network.messages import FindLeases, Owner, Plug, Unplug
from embervirt.drivers.secret import messages as secret
from embervirt.drivers.secret.messages import FindValue, GetValue
from embervirt.drivers.storage.messages import FindVolume
from embervirt.drivers.storage.service.handing import UNLUCKY
from embervirt.errors import OperationTimeout
from guest.domain import crash, small, uri, wait_until
from integration.network.conftest import GUEST, MAC, plug
from integration.network.conftest import close as close_taps
from integration.system.conftest import Daemon, Opened

NETWORK = """<network><name>net</name><bridge name='lv0'/><forward mode='open'/>
  <ip address='10.9.8.1' netmask='255.255.255.0'/>
  <portgroup name='slow'><bandwidth><inbound average='1000'/></bandwidth></portgroup></network>"""
WORDS = b"correct horse battery staple"
NOBODY = "00000000-0000-4000-8000-000000000000"
CARD = f"""<interface type='network'><mac address='{MAC}'/><source network='net' portgroup='slow'/>
  <model type='virtio'/></interface>"""
DISK = """<disk type='volume' device='disk'><driver name='qemu' type='raw'/>
  <source pool='images' volume='disk.luks'>
    <encryption format='luks'><secret type='passphrase' usage='{}'/></encryption></source>
  <target dev='vda' bus='virtio'/></disk>"""


def make_network(daemon: Daemon, xml: str = NETWORK) -> None:
    """Active, and forgotten with the daemon."""
    with daemon.open("network") as conn:
        conn.networkCreateXML(xml)


def ports(daemon: Daemon, name: str = "net") -> list[str]:
    """Of a network, as the daemon tells them."""
    with daemon.open("network") as conn:
        return [each.UUIDString() for each in conn.networkLookupByName(name).listAllPorts()]


def make_secret(daemon: Daemon, usage: str, value: bytes | None = WORDS, private: str = "no") -> str:
    """Its UUID."""
    xml = f"<secret private='{private}'><usage type='volume'><volume>{usage}</volume></usage></secret>"
    with daemon.open("secret") as conn:
        made = conn.secretDefineXML(xml)
        if value is not None:
            made.setValue(value)
        return str(made.UUIDString())


def make_pool(daemon: Daemon, folder: Path, *, active: bool = True) -> None:
    """A directory."""
    folder.mkdir(exist_ok=True)
    xml = f"<pool type='dir'><name>images</name><target><path>{folder}</path></target></pool>"
    with daemon.open("storage") as conn:
        made = conn.storagePoolDefineXML(xml)
        if active:
            made.create()


def card(domain: Any, name: str) -> Any:
    """That element of the first network card, live."""
    return etree.fromstring(domain.XMLDesc(0)).find(f".//interface/{name}")


def make_image(path: Path) -> None:
    """In LUKS, with the key that is in no command line but a test's."""
    path.parent.mkdir()
    key = f"secret,id=k,data={WORDS.decode()}"
    make = ["qemu-img", "create", "-q", "-f", "luks", "--object", key, "-o", "key-secret=k,iter-time=10"]
    while UNLUCKY in (
        said := subprocess.run([*make, str(path), "4M"], capture_output=True, text=True, check=False).stderr
    ):
        pass
    assert said == ""


def refused(conn: Any, driver: str, request: Request[Any]) -> embervirt.libvirtError:
    """What a driver answers."""
    with pytest.raises(embervirt.libvirtError) as error:
        conn.root.call(driver, request)
    return error.value


def test_a_guest_runs_on_what_the_libvirtd_has(daemon: Daemon, root: Opened, tmp_path: Path) -> None:
    """Its encrypted volume, its key and its network, with a port there that goes when the guest does."""
    image = tmp_path / "images/disk.luks"
    make_image(image)
    make_pool(daemon, image.parent)
    make_secret(daemon, str(image))
    make_network(daemon)
    conn = root()
    domain = conn.createXML(small("a", devices=DISK.format(image) + CARD), 0)
    source, tap = card(domain, "source"), card(domain, "target").get("dev")
    assert (source.get("network"), source.get("bridge")) == ("net", "lv0")
    assert daemon.namespace.links()[tap]["master"] == "lv0"
    assert ports(daemon) == [source.get("portid")]
    assert "rate 8Mbit" in daemon.namespace.run("tc", "class", "show", "dev", tap)
    assert domain.blockInfo("vda")[0] > 0
    domain.destroy()
    wait_until(lambda: ports(daemon) == [])
    assert tap not in daemon.namespace.links()


def test_the_roots_own_drivers_are_the_default(daemon: Daemon, root: Opened) -> None:
    """Without the settings a root knows nothing of the libvirtd's networks."""
    make_network(daemon)
    conn = root(**{f"qemu.{each}_uri": None for each in ("secret", "storage", "network")})
    assert conn.listAllNetworks() == [] and conn.listAllSecrets() == [] and conn.listAllStoragePools() == []
    error = refused(conn, "network", Plug(Owner(GUEST, "a", "r"), MAC, "network", "net"))
    assert error.get_error_code() == embervirt.VIR_ERR_NO_NETWORK


@pytest.mark.parametrize("driver", ["secret", "storage", "network"])
def test_handles_are_refused_with_the_uri_to_open(daemon: Daemon, root: Opened, driver: str) -> None:
    """On the root's connections and by message; network filters are the root's own in any case."""
    listed: dict[str, Callable[[embervirt.virConnect], object]] = {
        "secret": embervirt.virConnect.listAllSecrets,
        "storage": embervirt.virConnect.listAllStoragePools,
        "network": embervirt.virConnect.listAllNetworks,
    }
    for conn in (root(), root(driver)):
        with pytest.raises(embervirt.libvirtError, match=r"open \w+\+unix://.* with libvirt-python") as error:
            listed[driver](conn)
        assert error.value.get_error_code() == embervirt.VIR_ERR_NO_SUPPORT
        assert daemon.uri(driver) in str(error.value)
    asked = {"secret": secret.Undefine(NOBODY), "network": network.Stop(NOBODY)}
    if driver in asked:
        assert daemon.uri(driver) in str(refused(conn, driver, asked[driver]))
    assert "clean-traffic" in root().listNWFilters()


def test_secrets_are_had_by_uuid_and_usage(daemon: Daemon, root: Opened) -> None:
    """One that is private is not, and the error says whose choice that is; one without value, or for another
    use, is libvirt's error."""
    conn = root()
    uuid, shut, empty = (
        make_secret(daemon, "/a"),
        make_secret(daemon, "/b", private="yes"),
        make_secret(daemon, "/c", None),
    )
    for request in (GetValue(uuid, internal=True), GetValue(uuid, usage_type=1), FindValue(1, "/a")):
        assert conn.root.bus.handover.take(conn.root.call("secret", request)).reveal() == WORDS
    for asked in (GetValue(shut, internal=True), FindValue(1, "/b")):
        error = refused(conn, "secret", asked)
        assert error.get_error_code() == embervirt.VIR_ERR_INVALID_SECRET
        assert "secret is private" in str(error) and "private='no'" in str(error)
        assert daemon.uri("secret") in str(error)
    assert refused(conn, "secret", GetValue(empty)).get_error_code() == embervirt.VIR_ERR_NO_SECRET
    assert refused(conn, "secret", GetValue(NOBODY)).get_error_code() == embervirt.VIR_ERR_NO_SECRET
    other = refused(conn, "secret", GetValue(uuid, usage_type=2))
    assert other.get_error_code() == embervirt.VIR_ERR_INVALID_ARG


def test_volumes_are_found_in_active_pools(daemon: Daemon, root: Opened, tmp_path: Path) -> None:
    """By the names of pool and volume; what is not there is libvirt's error."""
    conn, folder = root(), tmp_path / "images"
    make_pool(daemon, folder, active=False)
    (folder / "a").write_bytes(b"a" * 512)
    inactive = refused(conn, "storage", FindVolume("images", "a"))
    assert "storage pool 'images' containing volume 'a' is not active" in str(inactive)
    with daemon.open("storage") as theirs:
        theirs.storagePoolLookupByName("images").create()
    found = conn.root.call("storage", FindVolume("images", "a"))
    assert (found.pool, found.type, found.path) == ("dir", 0, str(folder / "a"))
    assert refused(conn, "storage", FindVolume("images", "b")).get_error_code() == 50
    assert refused(conn, "storage", FindVolume("none", "a")).get_error_code() == 49


def test_a_port_is_had_again_and_goes_with_its_tap(daemon: Daemon, root: Opened) -> None:
    """Asked for twice it is one port; nobody need tell when its tap goes, and an unplug is heard at once."""
    make_network(daemon)
    conn = root()
    first, held = plug(conn)
    again, more = plug(conn)
    assert again.id == first.id and ports(daemon) == [first.id] and again.bridge == "lv0"
    close_taps(held)
    close_taps(more)
    wait_until(lambda: ports(daemon) == [])
    third, taps = plug(conn)
    conn.root.call("network", Unplug(third.id))
    assert ports(daemon) == []
    close_taps(taps)


def test_kinds_of_networks(daemon: Daemon, root: Opened) -> None:
    """A guest is on the bridge or link that the libvirtd says; what fails leaves no port."""
    daemon.namespace.run("ip", "link", "add", "br9", "type", "bridge")
    daemon.namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    make_network(daemon, "<network><name>b</name><forward mode='bridge'/><bridge name='br9'/></network>")
    for name, link in (("none", "nolink"), ("m", "up0")):
        forward = f"<forward mode='private'><interface dev='{link}'/></forward>"
        make_network(daemon, f"<network><name>{name}</name>{forward}</network>")
    conn = root()
    port, taps = plug(conn, "b")
    assert daemon.namespace.links()[port.tap]["master"] == "br9"
    close_taps(taps)
    port, taps = plug(conn, "m", run="run-2")
    assert (port.type, port.link, port.mode) == ("macvtap", "up0", "private")
    conn.root.call("network", Unplug(port.id))
    close_taps(taps)
    with pytest.raises(embervirt.libvirtError, match="nolink"):
        plug(conn, "none", run="run-3")
    for name in ("b", "m", "none"):
        wait_until(lambda name=name: ports(daemon, name) == [])  # type: ignore[misc]
    error = refused(conn, "network", Plug(Owner(GUEST, "a", "r"), MAC, "network", "nowhere"))
    assert error.get_error_code() == embervirt.VIR_ERR_NO_NETWORK


DHCP = NETWORK.replace("255.0'/>", "255.0'><dhcp><range start='10.9.8.10' end='10.9.8.20'/></dhcp></ip>")


def test_leases_are_those_of_the_libvirtd(daemon: Daemon, root: Opened) -> None:
    """As its own server wrote them down; a network that it has not has none."""
    make_network(daemon, DHCP)
    lease = {"ip-address": "10.9.8.10", "mac-address": MAC, "hostname": "a", "expiry-time": 4_000_000_000}
    (daemon.folder / "lib/dnsmasq/lv0.status").write_text(json.dumps([lease]))
    conn = root()
    [found] = conn.root.call("network", FindLeases("net", MAC))
    assert (found.address, found.prefix, found.hostname, found.mac) == ("10.9.8.10", 24, "a", MAC)
    assert conn.root.call("network", FindLeases("none", MAC)) == []
    domain = conn.createXML(small("a", devices=CARD), 0)
    assert addresses(domain) == ["10.9.8.10"]
    domain.destroy()


def test_leases_of_the_roots_own_network_are_had_the_same_way(daemon: Daemon, root: Opened) -> None:
    """By the guest that is on it."""
    conn = root(**{"qemu.network_uri": None})
    made = conn.networkCreateXML(DHCP)
    domain = conn.createXML(small("a", devices=CARD), 0)
    line = f"4000000000 {MAC} 10.9.8.11 a 01:{MAC}\n"
    (conn.root.paths.dnsmasq / "net.leases").write_text(line)
    assert addresses(domain) == ["10.9.8.11"]
    domain.destroy()
    made.destroy()


def addresses(domain: Any) -> list[str]:
    """Of its cards, by lease."""
    found = domain.interfaceAddresses(embervirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    return [each["addr"] for card in found.values() for each in card["addrs"]]


def test_a_libvirtd_that_hangs_ends_calls_by_their_deadline(
    daemon: Daemon, root: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor answers others meanwhile; what the libvirtd did too late is taken back; then all works."""
    monkeypatch.setattr("embervirt.drivers.libvirtd.asking.SHARE", 0.05)
    make_network(daemon)
    uuid = make_secret(daemon, "/a")
    daemon.namespace.run("ip", "link", "add", "br7", "type", "bridge")
    conn = root()
    taps = plug(conn)[1]
    close_taps(taps)
    wait_until(lambda: ports(daemon) == [])
    with daemon.stopped():
        for driver, request in (
            ("network", Plug(Owner(GUEST, "a", "run-2"), MAC, "network", "net")),
            ("secret", GetValue(uuid)),
            ("storage", FindVolume("images", "a")),
        ):
            begun = time.monotonic()
            with pytest.raises(OperationTimeout, match="its libvirtd hangs or is busy") as late:
                conn.root.bus.call(driver, request, deadline=begun + 20)
            assert daemon.uri(driver) in str(late.value)
            assert time.monotonic() - begun < 20
        taps = plug(conn, "br7", type="bridge", run="run-3")[1]
        close_taps(taps)
    wait_until(lambda: ports(daemon) == [])
    assert conn.root.bus.handover.take(conn.root.call("secret", GetValue(uuid))).reveal() == WORDS
    port, taps = plug(conn, run="run-4")
    assert ports(daemon) == [port.id]
    close_taps(taps)


def test_a_libvirtd_that_died_is_connected_to_again(daemon: Daemon, root: Opened) -> None:
    """Until there is one the error says what cannot be reached; the next call after that works."""
    uuid = make_secret(daemon, "/a")
    conn = root()
    assert conn.root.call("secret", GetValue(uuid))
    daemon.signal(signal.SIGKILL)
    error = refused(conn, "secret", GetValue(uuid))
    assert f"{daemon.uri('secret')} cannot be reached" in str(error)
    daemon.start()
    assert conn.root.bus.handover.take(conn.root.call("secret", GetValue(uuid))).reveal() == WORDS


def test_without_libvirt_python_a_request_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the driver is first needed; the root opens without, and its other drivers work."""
    monkeypatch.setitem(sys.modules, "libvirt", None)
    settings = {"qemu.secret_uri": "secret:///system"}
    with embervirt.open(uri(tmp_path), settings=settings) as conn:
        for _ in range(2):
            error = refused(conn, "secret", GetValue(NOBODY))
            assert error.get_error_code() == embervirt.VIR_ERR_CONFIG_UNSUPPORTED
            assert "secret:///system" in str(error) and "embervirt[libvirt]" in str(error)
        assert conn.listAllStoragePools() == [] and conn.listAllDomains() == []


def test_a_guest_outlives_the_libvirtd_and_the_driver(daemon: Daemon, root: Opened) -> None:
    """With its tap; its port there is taken back when libvirtd is back, or said to stay."""
    make_network(daemon)
    conn = root()
    domain = conn.createXML(small("a", devices=CARD), 0)
    tap = card(domain, "target").get("dev")
    daemon.signal(signal.SIGKILL)
    crash(conn.root, "drivers/network")
    error = refused(conn, "network", Plug(Owner(GUEST, "a", "run-9"), "52:54:00:11:11:99", "network", "net"))
    assert f"{daemon.uri('network')} cannot be reached" in str(error)
    assert daemon.namespace.links()[tap]["master"] == "lv0"
    daemon.start()
    assert len(ports(daemon)) == 1
    domain.destroy()
    wait_until(lambda: ports(daemon) == [])
