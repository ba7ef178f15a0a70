"""Devices of a running guest come and go: the guest sees each, gives it back, and nothing of it stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import DeviceAdded, DeviceRemoved
from embervirt.libvirt.connect import virConnect
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, Events, linux, uri, wait_until
from guest.image import READY, ensure
from guest.shell import says

LIVE, CONFIG = 1, 2
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 12
BRIDGE = "<controller type='pci' model='pcie-to-pci-bridge'/>"
"""For conventional PCI: a watchdog, say."""
MAC = "<mac address='52:54:00:00:00:07'/>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One root, one guest for all of them: a boot takes seconds."""
    return tmp_path_factory.mktemp("plug") / "root"


@pytest.fixture(scope="module")
def conn(root: Path) -> Iterator[virConnect]:
    """An open root."""
    root.mkdir()
    with libvirt.open(uri(root)) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(root: Path) -> Path:
    """Images: two disks and two media."""
    for name in ("disk", "other", "iso", "iso2"):
        with (root.parent / name).open("wb") as file:
            file.truncate(1 << 20)
    return root.parent


@pytest.fixture(scope="module")
def guest(conn: virConnect, root: Path) -> Iterator[virDomain]:
    """A Linux guest with free PCI Express ports and an empty drive."""
    more = (
        f"{PORTS}{BRIDGE}<disk device='cdrom'><target dev='sda' bus='sata'/></disk>{INTERFACE.format('06')}"
    )
    ensure()
    domain = conn.createXML(linux("plug", devices=more), 0)
    Console(root, "plug").until(READY)
    yield domain
    domain.destroy()


INTERFACE = "<interface type='user'><mac address='52:54:00:00:00:{}'/><model type='virtio'/></interface>"


def qmp(domain: virDomain, command: str, **arguments: Any) -> Any:
    """What QEMU answers."""
    asked = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(qemuMonitorCommand(domain, asked, 0))["return"]


def traces(domain: virDomain) -> list[list[str]]:
    """Everything in QEMU that a device can leave behind."""
    return [
        sorted(each["name"] for each in qmp(domain, "qom-list", path="/machine/peripheral")),
        sorted(each["name"] for each in qmp(domain, "qom-list", path="/objects")),
        sorted(each["label"] for each in qmp(domain, "query-chardev")),
        sorted(each["node-name"] for each in qmp(domain, "query-named-block-nodes")),
    ]


PLUGGED = {
    "disk-virtio": (
        "<disk type='file'><source file='{}/disk'/><target dev='vdb' bus='virtio'/></disk>",
        "virtio-disk1",
    ),
    "interface": (INTERFACE.format("07"), "net1"),
    "interface-e1000e": (INTERFACE.format("08").replace("'virtio'", "'e1000e'"), "net1"),
    "disk-usb": (
        "<disk type='file'><source file='{}/disk'/><target dev='sdz' bus='usb'/></disk>",
        "usb-disk25",
    ),
    "serial-usb": ("<serial type='pty'><target type='usb-serial'/></serial>", "serial1"),
    "rng": ("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "rng0"),
    "controller-scsi": ("<controller type='scsi' index='3' model='virtio-scsi'/>", "scsi3"),
    "input-virtio": ("<input type='tablet' bus='virtio'/>", "input2"),
    "input-usb": ("<input type='tablet' bus='usb'/>", "input2"),
    "watchdog": ("<watchdog model='i6300esb' action='none'/>", "watchdog0"),
    "channel": ("<channel type='unix'><target type='virtio' name='org.x'/></channel>", "channel0"),
}
"""One of each class that a running guest can get."""


@pytest.mark.parametrize("kind", PLUGGED)
def test_a_device_comes_and_goes(kind: str, guest: virDomain, conn: virConnect, files: Path) -> None:
    """It is in QEMU and in the live XML while it is there, both ends are told, and then nothing stays."""
    text, alias = PLUGGED[kind]
    xml, before = text.format(files), traces(guest)
    events = Events(conn.root.subscribe())
    try:
        guest.attachDeviceFlags(xml, LIVE)
        assert f"<alias name='{alias}'/>" in guest.XMLDesc()
        assert alias in traces(guest)[0]
        events.wait(lambda event: isinstance(event, DeviceAdded) and event.alias == alias)
        guest.detachDeviceAlias(alias, LIVE)
        events.wait(lambda event: isinstance(event, DeviceRemoved) and event.alias == alias)
        assert f"<alias name='{alias}'/>" not in guest.XMLDesc()
        after = traces(guest)
        assert [set(now) - set(then) for now, then in zip(after, before, strict=True)] in (
            [set(), set(), set(), set()],
            [{"virtio-serial0"}, set(), set(), set()],  # a channel's controller stays, as in libvirt
        )
    finally:
        events.end()


def test_the_guest_sees_a_plugged_disk_and_card(guest: virDomain, root: Path, files: Path) -> None:
    """What is attached has a driver in Linux a moment later, and is gone after the detach."""
    disk = PLUGGED["disk-virtio"][0].format(files)
    before = says(guest, root, "ls /sys/block /sys/class/net")
    guest.attachDevice(disk)
    guest.attachDevice(INTERFACE.format("07"))
    wait = "until [ -e /sys/block/vda ] && [ -e /sys/class/net/eth1 ]; do sleep 0.1; done"
    during = says(guest, root, f"{wait}; ls /sys/block /sys/class/net")
    guest.detachDevice(disk)
    guest.detachDevice(INTERFACE.format("07"))
    gone = "while [ -e /sys/block/vda ] || [ -e /sys/class/net/eth1 ]; do sleep 0.1; done"
    after = says(guest, root, f"{gone}; ls /sys/block /sys/class/net")
    assert ("vda" in before, "vda" in during, "eth1" in during) == (False, True, True)
    assert after.split() == before.split()


def test_the_guest_sees_whether_a_cable_is_plugged(guest: virDomain, root: Path) -> None:
    """A card that comes without link has no carrier until it is given one, and loses it again."""
    card = INTERFACE.format("09").replace("</interface>", "<link state='{}'/></interface>")
    named = "card=$(dirname $(grep -l 52:54:00:00:00:09 /sys/class/net/*/address))"
    guest.attachDevice(card.format("down"))
    try:
        there = "until grep -q 52:54:00:00:00:09 /sys/class/net/*/address; do sleep 0.1; done"
        seen = says(guest, root, f"{there}; {named}; ip link set ${{card##*/}} up; cat $card/carrier")
        assert seen.split() == ["0", "END"]
        for state, carrier in (("up", "1"), ("down", "0"), ("up", "1")):
            guest.updateDeviceFlags(card.format(state), LIVE)
            wait = f"until [ $(cat $card/carrier) = {carrier} ]; do sleep 0.1; done"
            assert says(guest, root, f"{named}; {wait}; cat $card/carrier").split() == [carrier, "END"]
    finally:
        guest.detachDevice(card.format("up"))
        wait_until(lambda: "52:54:00:00:00:09" not in guest.XMLDesc())


def test_another_medium_a_link_and_a_password(guest: virDomain, files: Path) -> None:
    """A drive gets a medium, another, and none; a cable is pulled; nothing of old media stays in QEMU."""
    empty = traces(guest)
    drive = "<disk device='cdrom' type='file'>{}<target dev='sda' bus='sata'/></disk>"
    for name in ("iso", "iso2"):
        guest.updateDeviceFlags(drive.format(f"<source file='{files}/{name}'/>"), LIVE)
        inserted = [each for each in qmp(guest, "query-block") if each.get("inserted")]
        assert [each["inserted"]["file"] for each in inserted] == [f"{files}/{name}"]
    guest.updateDeviceFlags(drive.format(""), LIVE)
    assert traces(guest) == empty
    for state in ("down", "up"):
        card = INTERFACE.format("06").replace("</interface>", f"<link state='{state}'/></interface>")
        guest.updateDeviceFlags(card, LIVE)
        assert f"<link state='{state}'/>" in guest.XMLDesc()


def test_what_qemu_refuses_leaves_nothing(guest: virDomain, files: Path) -> None:
    """A disk whose place is taken by nobody's fault of ours: its nodes are taken back."""
    before, xml = traces(guest), guest.XMLDesc()
    address = "<address type='pci' bus='0x00' slot='0x1e'/>"
    disk = PLUGGED["disk-virtio"][0].format(files).replace("</disk>", f"{address}</disk>")
    with pytest.raises(libvirt.libvirtError, match="does not support hotplugging"):
        guest.attachDevice(disk)
    assert (traces(guest), guest.XMLDesc()) == (before, xml)


def test_a_disk_whose_limits_qemu_refuses_is_not_there(
    guest: virDomain, conn: virConnect, files: Path
) -> None:
    """It had the disk before it heard of them: the guest has given it back when the caller hears of it."""
    before, xml = traces(guest), guest.XMLDesc()
    limits = "<iotune><read_iops_sec_max>7</read_iops_sec_max></iotune>"
    disk = PLUGGED["disk-virtio"][0].format(files).replace("</disk>", f"{limits}</disk>")
    with pytest.raises(libvirt.libvirtError, match=r"block_set_io_throttle.*require corresponding"):
        guest.attachDevice(disk)
    assert (traces(guest), guest.XMLDesc()) == (before, xml)


def test_a_forwarded_address_comes_and_goes_without_the_guest(guest: virDomain, conn: virConnect) -> None:
    """It is QEMU's affair alone, so nobody is asked, and nothing stays."""
    before, xml = traces(guest), guest.XMLDesc()
    port = "<channel type='null'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>"
    guest.attachDevice(port)
    assert "address='10.0.2.1' port='4600'" in guest.XMLDesc()
    with pytest.raises(libvirt.libvirtError, match="chardev already exists"):
        guest.attachDevice(port)
    guest.detachDevice(port)
    assert (traces(guest), guest.XMLDesc()) == (before, xml)


def test_a_definition_is_changed_and_the_guest_is_not(conn: virConnect, files: Path) -> None:
    """CONFIG is for the next start; with LIVE as well nothing is done when one of them refuses."""
    domain = conn.defineXML(linux("kept"))
    disk = PLUGGED["disk-virtio"][0].format(files)
    domain.attachDeviceFlags(disk, CONFIG)
    assert f"{files}/disk" in domain.XMLDesc()
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.attachDeviceFlags(disk, LIVE | CONFIG)
    assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
    domain.detachDeviceFlags(disk, CONFIG)
    assert f"{files}/disk" not in domain.XMLDesc()
    domain.undefine()
