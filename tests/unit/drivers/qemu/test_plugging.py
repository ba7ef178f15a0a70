"""Devices that come, go and change: what the domain becomes, what is told, what is refused."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.plugging import (
    Media,
    Nothing,
    Password,
    Recabled,
    Verb,
    by_alias,
    plugged,
    read,
    redefined,
    unplugged,
    updated,
    without,
)
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError

MAC = "<mac address='52:54:00:00:00:01'/>"
TEXT = f"""<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk device='disk'><source file='/a'/><target dev='vda'/></disk>
<disk device='cdrom'><target dev='hdc'/></disk>
<interface type='user'>{MAC}</interface><graphics type='vnc' port='5999'/>
<rng model='virtio'><backend model='random'/></rng></devices></domain>"""


@pytest.fixture
def domain(caps: Capabilities) -> Domain:
    """A definition with a disk, a drive, a network card, a screen and a source of entropy."""
    return assign(postparse(parse(Domain, TEXT), caps), caps)


@pytest.fixture
def live(domain: Domain) -> Domain:
    """The same as it runs."""
    return named(domain)


DISK = "<disk type='file' device='disk'><source file='/b'/><target dev='{}' bus='{}'/></disk>"


def test_a_plugged_device_is_the_only_new_thing(live: Domain, caps: Capabilities) -> None:
    """Everything else is left as it was, with its alias and address; the new one has both."""
    after, new = plugged(live, read(DISK.format("vdb", "virtio")), caps)
    (disk,) = new
    assert (disk.id, disk.address is not None) == ("virtio-disk1", True)
    assert set(live.devices.all) < set(after.devices.all)
    assert without(after, disk) == live


def test_a_disk_brings_the_controller_that_it_needs(live: Domain, caps: Capabilities) -> None:
    """The controller comes first, for the disk is plugged into it."""
    _, new = plugged(live, read(DISK.format("sda", "scsi")), caps)
    assert [each.id for each in new] == ["scsi0", "scsi0-0-0"]


def test_scsi_controllers_for_a_running_guest_are_like_its_first(live: Domain, caps: Capabilities) -> None:
    """And all up to the one that the disk's name stands for are there."""
    like, _ = plugged(live, read("<controller type='scsi' index='0' model='virtio-scsi'/>"), caps)
    with pytest.raises(libvirtError, match="target scsi:0 already exists"):
        plugged(like, read("<controller type='scsi' index='0'/>"), caps)
    _, new = plugged(like, read(DISK.format("sdp", "scsi")), caps)
    assert [(each.id, getattr(each, "model", "")) for each in new[:-1]] == [
        ("scsi1", "virtio-scsi"),
        ("scsi2", "virtio-scsi"),
    ]
    assert new[-1].id == "scsi2-0-0-1"


def test_a_second_source_of_entropy_has_a_name_of_its_own(live: Domain, caps: Capabilities) -> None:
    """Though names of such sources are counted anew at each start."""
    _, new = plugged(live, read("<rng model='virtio'><backend model='builtin'/></rng>"), caps)
    assert [each.id for each in new] == ["rng1"]


PORTS = {
    "<channel type='null'><target type='virtio' name='p'/></channel>": "chardev already exists",
    "<channel type='null'><target type='guestfwd' address='10.0.2.1' port='46'/></channel>": "already exists",
}


@pytest.mark.parametrize(("xml", "error"), PORTS.items())
def test_a_port_that_is_there_is_not_added(
    xml: str, error: str, domain: Domain, live: Domain, caps: Capabilities
) -> None:
    """Neither to the guest nor to the definition; one with another name is."""
    more = redefined(domain, Verb.ATTACH, xml, caps)
    again, _ = plugged(live, read(xml), caps)
    with pytest.raises(libvirtError, match=error):
        redefined(more, Verb.ATTACH, xml, caps)
    with pytest.raises(libvirtError, match=error) as refused:
        plugged(again, read(xml), caps)
    assert refused.value.get_error_code() == 55
    other = xml.replace("'p'", "'q'").replace("'46'", "'47'")
    assert len(redefined(more, Verb.ATTACH, other, caps).devices.channels) == 2


def test_a_controller_in_use_stays(live: Domain, caps: Capabilities) -> None:
    """Until the last disk of it is gone."""
    scsi = read("<controller type='scsi' index='0'/>")
    busy, new = plugged(live, read(DISK.format("sda", "scsi")), caps)
    with pytest.raises(libvirtError, match="device is busy") as refused:
        unplugged(busy, scsi)
    assert refused.value.get_error_code() == 9
    assert unplugged(without(busy, new[-1]), scsi).id == "scsi0"


@pytest.mark.parametrize("verb", [Verb.ATTACH, Verb.DETACH])
def test_a_console_that_is_a_serial_port_is_neither_added_nor_taken(
    verb: Verb, domain: Domain, live: Domain, caps: Capabilities
) -> None:
    """It is that port's other name."""
    console = "<console type='pty'><target type='serial' port='0'/></console>"
    doing = f"{verb.value}ing serial console is not supported"
    with pytest.raises(libvirtError, match=doing):
        redefined(domain, verb, console, caps)
    with pytest.raises(libvirtError, match=doing):
        plugged(live, read(console), caps) if verb == Verb.ATTACH else unplugged(live, read(console))


def test_the_alias_of_an_unplugged_device_is_free_again(live: Domain, caps: Capabilities) -> None:
    """The first free name of its kind is taken; those of other devices never change."""
    card = f"<interface type='user'>{MAC.replace('01', '02')}</interface>"
    two, _ = plugged(live, read(card), caps)
    one = without(two, by_alias(two, "net0"))
    again, (new,) = plugged(one, read(card.replace("02", "03")), caps)
    assert ([each.id for each in again.devices.interfaces], new.id) == (["net1", "net0"], "net0")


def test_a_definition_gets_and_loses_devices(domain: Domain, caps: Capabilities) -> None:
    """Disks stand in the order of their names; what is taken away again leaves nothing."""
    more = redefined(domain, Verb.ATTACH, DISK.format("vdb", "virtio"), caps)
    assert [disk.dev for disk in more.devices.disks] == ["vda", "vdb", "hdc"]
    assert redefined(more, Verb.DETACH, DISK.format("vdb", "virtio"), caps) == domain


FOUND = {
    "<disk><target dev='vda'/></disk>": "virtio-disk0",
    f"<interface type='user'>{MAC}</interface>": "net0",
    "<rng model='virtio'><backend model='random'/></rng>": "rng0",
    "<interface type='user'><alias name='net0'/></interface>": "net0",
}


@pytest.mark.parametrize(("xml", "alias"), FOUND.items())
def test_a_device_is_found_by_what_it_is_known_by(xml: str, alias: str, live: Domain) -> None:
    """A disk by its target, a card by its MAC address, others by all that the XML says, any by its alias."""
    assert unplugged(live, read(xml)).id == alias


UPDATES = {
    "<disk device='cdrom'><source file='/iso'/><target dev='hdc'/></disk>": Media,
    "<disk device='cdrom'><target dev='hdc'/></disk>": Nothing,
    f"<interface type='user'>{MAC}<link state='down'/></interface>": Recabled,
    f"<interface type='user'>{MAC}<link state='up'/></interface>": Nothing,
    "<graphics type='vnc' port='5999' passwd='abc'/>": Password,
}


@pytest.mark.parametrize(("xml", "expected"), UPDATES.items())
def test_an_update_says_what_qemu_is_told(xml: str, expected: type, live: Domain, caps: Capabilities) -> None:
    """Another medium, a link, a password; what is so already needs no telling."""
    after, told = updated(live, read(xml), caps, live=True)
    assert isinstance(told, expected)
    assert (after == live) == (expected is Nothing and "link" not in xml)


LIVE_REFUSED = {
    (Verb.ATTACH, DISK.format("vda", "virtio")): (27, "duplicated"),
    (Verb.ATTACH, "<input type='mouse' bus='ps2'/>"): (84, "cannot be hot plugged"),
    (Verb.ATTACH, "<controller type='usb' index='1'/>"): (84, "cannot be hot plugged"),
    (Verb.ATTACH, "<sound model='ac97'/>"): (84, "live attach of device 'sound'"),
    (Verb.ATTACH, "<graphics type='vnc'/>"): (84, "live attach of device 'graphics'"),
    (Verb.ATTACH, "<memballoon model='virtio'/>"): (84, "live attach of device 'memballoon'"),
    (Verb.ATTACH, "<foo/>"): (67, "unknown device type 'foo'; expected one of: disk"),
    (Verb.ATTACH, "<disk"): (35, "line 1"),
    (Verb.ATTACH, "<controller type='usb' index='0'/>"): (84, "'usb' controller cannot be hot plugged"),
    (Verb.ATTACH, "<disk device='floppy'><source file='/b'/><target dev='fda'/></disk>"): (
        84,
        "floppy device",
    ),
    (Verb.DETACH, "<disk device='cdrom'><target dev='hdc'/></disk>"): (84, "'cdrom' cannot be detached"),
    (Verb.DETACH, DISK.format("vdz", "virtio")): (99, "disk vdz"),
    (Verb.DETACH, "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>"): (99, "52:54"),
    (Verb.DETACH, "<rng model='virtio'><backend model='builtin'/></rng>"): (99, "'rng'"),
    (Verb.DETACH, "<controller type='usb' index='0'/>"): (84, "cannot be hot unplugged"),
    (Verb.UPDATE, "<disk device='disk'><source file='/x'/><target dev='vda'/></disk>"): (
        67,
        "removable drives",
    ),
    (Verb.UPDATE, f"<interface type='user'>{MAC}<model type='e1000'/></interface>"): (
        84,
        "cannot modify model",
    ),
    (Verb.UPDATE, "<graphics type='vnc' port='5901'/>"): (84, "cannot modify port"),
    (Verb.UPDATE, "<rng model='virtio'><backend model='random'/></rng>"): (67, "live update of device 'rng'"),
}


@pytest.mark.parametrize(("change", "expected"), LIVE_REFUSED.items())
def test_what_a_running_guest_cannot_do_is_refused(
    change: tuple[Verb, str], expected: tuple[int, str], live: Domain, caps: Capabilities
) -> None:
    """With libvirt's code, before QEMU is told anything."""
    verb, xml = change
    with pytest.raises(libvirtError) as refused:
        if verb is Verb.ATTACH:
            plugged(live, read(xml), caps)
        elif verb is Verb.DETACH:
            unplugged(live, read(xml))
        else:
            updated(live, read(xml), caps, live=True)
    assert (refused.value.get_error_code(), expected[1] in str(refused.value)) == (expected[0], True), str(
        refused.value
    )


CONFIG_REFUSED = {
    (Verb.ATTACH, DISK.format("vda", "virtio")): (55, "target vda already exists"),
    (Verb.ATTACH, "<memballoon model='virtio'/>"): (84, "persistent attach of device 'memballoon'"),
    (Verb.DETACH, DISK.format("vdz", "virtio")): (99, "disk vdz"),
    (Verb.DETACH_ALIAS, "virtio-disk0"): (1, "no device found with alias"),
    (Verb.UPDATE, "<memballoon model='virtio'/>"): (84, "persistent update of device 'memballoon'"),
}


@pytest.mark.parametrize(("change", "expected"), CONFIG_REFUSED.items())
def test_what_a_definition_cannot_do_is_refused(
    change: tuple[Verb, str], expected: tuple[int, str], domain: Domain, caps: Capabilities
) -> None:
    """With libvirt's code; a definition's devices have no aliases but the user's own."""
    with pytest.raises(libvirtError) as refused:
        redefined(domain, *change, caps)
    assert (refused.value.get_error_code(), expected[1] in str(refused.value)) == (expected[0], True)
