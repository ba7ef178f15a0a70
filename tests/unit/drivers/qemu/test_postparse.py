"""What libvirt adds to a domain when it is defined."""

from __future__ import annotations

import re

import pytest

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Devices, Domain, model_of
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.postparse.disk import disk_index
from embervirt.drivers.xml import parse, render

SHORT = "<domain type='qemu'><name>a</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>{}</domain>"


def made(caps: Capabilities, more: str = "") -> Domain:
    """The shortest domain with this in it, completed."""
    return assign(postparse(parse(Domain, SHORT.format(more)), caps), caps)


def devices(caps: Capabilities, xml: str) -> Devices:
    """The devices of such a domain."""
    return made(caps, f"<devices>{xml}</devices>").devices


def test_shortest_domain_is_completed(caps: Capabilities) -> None:
    """UUID, memory, machine, boot device, processor, actions, emulator and balloon are filled in."""
    domain = made(caps)
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", domain.uuid)
    assert (domain.memory, domain.current_memory, domain.vcpus) == (65536, 65536, 1)
    assert (domain.os.type.arch, domain.os.type.machine) == ("x86_64", "pc-i440fx-7.2")
    assert [boot.dev for boot in domain.os.boots] == ["hd"]
    assert domain.cpu is not None and domain.cpu.model is not None and domain.cpu.model.name == "qemu64"
    assert (domain.on_poweroff, domain.on_reboot, domain.on_crash) == ("destroy", "restart", "destroy")
    assert domain.devices.emulator == caps.binary
    assert [balloon.model for balloon in domain.devices.memballoons] == ["virtio"]


def test_new_uuid_each_time(caps: Capabilities) -> None:
    """Two domains without a UUID get two."""
    assert made(caps).uuid != made(caps).uuid


def test_completing_twice_changes_nothing(caps: Capabilities) -> None:
    """What was completed is complete."""
    domain = made(caps, "<devices><console/><disk><source file='/a'/><target dev='hdb'/></disk></devices>")
    assert assign(postparse(domain, caps), caps) == domain == model_of(render(domain))


def test_current_memory_is_at_most_all(caps: Capabilities) -> None:
    """More is cut, less is kept."""
    assert made(caps, "<currentMemory unit='GiB'>1</currentMemory>").current_memory == 65536
    assert made(caps, "<currentMemory unit='MiB'>1</currentMemory>").current_memory == 1024


def test_traces_of_a_run_are_dropped(caps: Capabilities) -> None:
    """Id, terminals and QEMU's aliases are no part of a definition; the user's own aliases are."""
    text = SHORT.format(
        "<devices><serial type='pty'><source path='/dev/pts/1'/><alias name='serial0'/></serial>"
        "<console type='pty' tty='/dev/pts/1'><source path='/dev/pts/1'/><alias name='serial0'/></console>"
        "<memballoon model='virtio'><alias name='ua-mine'/></memballoon></devices>"
    )
    domain = assign(postparse(parse(Domain, text.replace("<domain ", "<domain id='5' ")), caps), caps)
    assert domain.id is None
    assert "/dev/pts" not in render(domain) and "serial0" not in render(domain)
    assert [balloon.alias.name for balloon in domain.devices.memballoons if balloon.alias] == ["ua-mine"]


def test_network_card_gets_an_address_and_a_model(caps: Capabilities) -> None:
    """A new address of QEMU's range for each card, and libvirt's default card; what is given stays."""
    found = devices(
        caps,
        "<interface type='user'/><interface type='user'/>"
        "<interface type='user'><mac address='52:54:0:1:2:3'/><model type='virtio'/></interface>",
    ).interfaces
    addresses = [card.mac.address for card in found if card.mac]
    assert len(set(addresses)) == 3 and all(item.startswith("52:54:00:") for item in addresses)
    assert addresses[2] == "52:54:00:01:02:03"
    assert [card.model.type for card in found if card.model] == ["rtl8139", "rtl8139", "virtio"]


def test_console_and_serial_port_make_each_other(caps: Capabilities) -> None:
    """A console alone has a serial port, a serial port a console, and the console is the port's mirror."""
    for xml in ("<console/>", "<serial/>", "<serial/><console type='null'/>"):
        found = devices(caps, xml)
        assert [(port.type, port.port) for port in found.serials] == [("pty", 0)]
        assert [console.type for console in found.consoles] == ["pty"]
        assert [console.target.port for console in found.consoles if console.target] == [0]
    found = devices(caps, "<console type='file'><source path='/x'/><log file='/l'/></console>")
    assert found.serials[0].source == found.consoles[0].source
    assert found.serials[0].log == found.consoles[0].log is not None


def test_ports_are_numbered_after_the_highest(caps: Capabilities) -> None:
    """Ports without a number follow the highest number given, as libvirt counts."""
    found = devices(caps, "<serial/><serial><target port='1'/></serial><serial/>").serials
    assert [port.port for port in found] == [2, 1, 3]


def test_disk_gets_its_bus_from_its_name(caps: Capabilities) -> None:
    """vda is on virtio, hdc on IDE at its place there with a controller; a CD is read-only."""
    found = devices(
        caps,
        "<disk device='cdrom'><target dev='hdc'/></disk><disk><source file='/a'/><target dev='vdb'/></disk>"
        "<disk><source file='/b'/><target dev='vda' bus='virtio'/></disk>",
    )
    assert [(item.dev, item.bus, item.readonly) for item in found.disks] == [
        ("vdb", "virtio", False),
        ("hdc", "ide", True),
        ("vda", "virtio", False),
    ]
    place = found.disks[1].address
    assert isinstance(place, DriveAddress) and (place.bus, place.unit) == (1, 0)
    assert ("ide", 0) in [(item.type, item.index) for item in found.controllers]


def test_random_numbers_come_from_dev_random(caps: Capabilities) -> None:
    """Unless another file is named."""
    found = devices(caps, "<rng model='virtio'><backend model='random'/></rng>").rngs
    assert [item.backend.path for item in found] == ["/dev/random"]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("vda", 0),
        ("vdz", 25),
        ("vdaa", 26),
        ("hdc", 2),
        ("xvdb", 1),
        ("vd", None),
        ("vda1", None),
        ("", None),
    ],
)
def test_names_of_disks_are_numbers(name: str, index: int | None) -> None:
    """In the alphabet's order, and only names of disks are."""
    assert disk_index(name) == index


def test_metadata_and_foreign_elements_are_kept(caps: Capabilities) -> None:
    """Other programs' notes come back as they were."""
    notes = '<metadata><n:note xmlns:n="urn:n">one\n <two/></n:note></metadata><f:x xmlns:f="urn:f"/>'
    written = render(made(caps, notes))
    assert '<metadata><n:note xmlns:n="urn:n">one\n <two/></n:note></metadata>\n' in written
    assert '<f:x xmlns:f="urn:f"/>\n' in written
