"""The guest's actor dies at each step of a plug, an unplug, a change of medium: all is so, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, linux, small, uri, wait_until
from guest.image import READY, ensure

LIVE = 1
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 10
BRIDGE = "<controller type='pci' model='pcie-to-pci-bridge'/>"
SETTINGS = {
    "supervision.backoff_initial": 0.001,
    "supervision.backoff_cap": 0.01,
    "supervision.guest_intensity": 500,
}
DRIVE = "<disk device='cdrom'>{}<target dev='sda' bus='sata'/></disk>"
KINDS = {
    "a disk": "<disk type='file'><source file='{}/disk'/><target dev='vdb' bus='virtio'/></disk>",
    "a source of randomness": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "a channel": "<serial type='pty'><target type='usb-serial'/></serial>",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a disk and two media."""
    made = tmp_path_factory.mktemp("cut")
    for name in ("disk", "iso", "iso2"):
        with (made / name).open("wb") as file:
            file.truncate(1 << 20)
    return made


@pytest.fixture(scope="module")
def guest(folder: Path) -> Iterator[libvirt.virDomain]:
    """Linux, which gives back what it is asked for."""
    ensure()
    with libvirt.open(uri(folder / "root"), settings=SETTINGS) as conn:
        drive = DRIVE.format(f"<source file='{folder}/iso'/>")
        domain = conn.createXML(linux("cut", devices=PORTS + BRIDGE + drive), 0)
        Console(folder / "root", "cut").until(READY)
        yield domain
        domain.destroy()


def qmp(domain: libvirt.virDomain, command: str, **arguments: Any) -> Any:
    """What QEMU answers."""
    asked = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(qemuMonitorCommand(domain, asked, 0))["return"]


def seen(domain: libvirt.virDomain) -> tuple[list[set[str]], str, list[str]]:
    """Everything in QEMU that a device can leave behind, the live XML, and the images that are leased."""
    traces = [
        {each["name"] for each in qmp(domain, "qom-list", path="/machine/peripheral")},
        {each["name"] for each in qmp(domain, "qom-list", path="/objects")},
        {each["label"] for each in qmp(domain, "query-chardev")},
        {each["node-name"] for each in qmp(domain, "query-named-block-nodes")},
    ]
    leases = domain.connect().root.paths.leases
    held = sorted(each["path"] for each in json.loads(leases.read_text())) if leases.exists() else []
    return traces, domain.XMLDesc(), held


def settled(domain: libvirt.virDomain) -> None:
    """Whoever found the guest again knows what became of what was begun."""
    wait_until(lambda: domain.connect().root.journal.open() == [])
    wait_until(lambda: domain.messages() == [])


def cut(domain: libvirt.virDomain, do: Any, point: str, after: int) -> bool:
    """Do it with the actor dying at that pass of ``point``; whether it came to that."""
    with faults.inject(point, faults.crash(), times=1, after=after) as crashed:
        try:
            do()
        except libvirt.libvirtError:
            assert crashed.hits
    settled(domain)
    return bool(crashed.hits)


POINTS = ["qmp.sent", "journal.mark", "journal.result", "event.published"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_plug_that_is_cut_is_whole_or_nothing(
    guest: libvirt.virDomain, folder: Path, kind: str, point: str
) -> None:
    """Every step in turn: afterwards QEMU, the description and the leases agree, and it can be done again."""
    xml = KINDS[kind].format(folder)
    guest.attachDeviceFlags(xml, LIVE)
    with_it = seen(guest)
    alias = plugged(with_it[1])
    unplug(guest, alias)
    without = seen(guest)
    number = cuts = 0
    while cut(guest, lambda: guest.attachDeviceFlags(xml, LIVE), point, number):
        number, cuts = number + 1, cuts + 1
        now = seen(guest)
        there = f"<alias name='{alias}'/>" in now[1]
        assert (now[0], now[2]) == ((with_it if there else without)[0], (with_it if there else without)[2]), (
            number
        )
        if there:
            unplug(guest, alias)
            assert (seen(guest)[0], seen(guest)[2]) == (without[0], without[2])
    assert cuts >= 1
    unplug(guest, alias)


def plugged(xml: str) -> str:
    """The alias of what was plugged."""
    known = ("virtio-disk1", "rng0", "serial1")
    return next(each for each in known if f"<alias name='{each}'/>" in xml)


def unplug(guest: libvirt.virDomain, alias: str) -> None:
    """Until it is gone."""
    guest.detachDeviceAlias(alias, LIVE)
    wait_until(lambda: f"<alias name='{alias}'/>" not in guest.XMLDesc())
    settled(guest)


@pytest.mark.parametrize("point", [*POINTS, "qmp.event"])
def test_an_unplug_that_is_cut_is_completed(guest: libvirt.virDomain, folder: Path, point: str) -> None:
    """What the guest gave back, heard or not, is gone with all that stood behind it."""
    xml, number = KINDS["a disk"].format(folder), 0
    without = seen(guest)
    while True:
        guest.attachDeviceFlags(xml, LIVE)
        hit = cut(guest, lambda: guest.detachDeviceAlias("virtio-disk1", LIVE), point, number)
        if "virtio-disk1" in guest.XMLDesc():
            unplug(guest, "virtio-disk1")
        now = seen(guest)
        assert (now[0], now[2]) == (without[0], without[2]), number
        if not hit:
            break
        number += 1
    assert number >= 1


@pytest.mark.parametrize("point", ["qmp.sent", "journal.mark", "journal.result"])
def test_a_change_of_medium_that_is_cut_has_one_medium(
    guest: libvirt.virDomain, folder: Path, point: str
) -> None:
    """The old one or the new one, in the drive and in the description; nothing of the other stays."""
    media = [f"<source file='{folder}/{name}'/>" for name in ("iso", "iso2")]
    number = 0
    while True:
        guest.updateDeviceFlags(DRIVE.format(media[0]), LIVE)
        hit = cut(guest, lambda: guest.updateDeviceFlags(DRIVE.format(media[1]), LIVE), point, number)
        [drive] = [each for each in qmp(guest, "query-block") if "sata" in each.get("qdev", "")]
        traces, xml, held = seen(guest)
        [name] = [name for name in ("iso", "iso2") if f"<source file='{folder}/{name}'" in xml]
        assert drive["inserted"]["file"] == f"{folder}/{name}", number
        assert (drive.get("tray_open"), held) == (False, [f"{folder}/{name}"]), number
        assert len([node for node in traces[3] if node.endswith("-storage")]) == 1, number
        if not hit:
            break
        number += 1
    assert number >= 1


def test_a_controller_stays_whatever_becomes_of_its_disk(folder: Path, tmp_path: Path) -> None:
    """A disk that brings its controller: each of them is in QEMU and in the description, or in neither."""
    xml = f"<disk type='file'><source file='{folder}/disk'/><target dev='sdb' bus='scsi'/></disk>"
    found, number, hit = [], 0, True
    with libvirt.open(uri(tmp_path / "root"), settings=SETTINGS) as conn:
        while hit:
            guest = conn.createXML(small("a", devices=PORTS + BRIDGE))
            hit = cut(guest, partial(guest.attachDeviceFlags, xml, LIVE), "qmp.sent", number)
            traces, live, held = seen(guest)
            there = tuple(f"<alias name='{each}'/>" in live for each in ("scsi0", "scsi0-0-1"))
            assert tuple(each in traces[0] for each in ("scsi0", "scsi0-0-1")) == there, number
            assert bool(held) == there[1] == any(node.endswith("-storage") for node in traces[3]), number
            found.append(there)
            guest.destroy()
            number += 1
    assert found[0] == (False, False)
    assert (True, False) in found
    assert found[-1] == (True, True)
