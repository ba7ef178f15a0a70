"""Whatever a device's XML says: a guest gets it, or a libvirtError; and QEMU is as before in the end.

``HOSTILE_EXAMPLES`` and ``HOSTILE_SEED`` as in ``test_hostile_domains``; a family is what has one tag.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import embervirt as libvirt
from embervirt.drivers.qemu.actor import plugging
from embervirt.libvirt.connect import virConnect
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import opened
from guest.namespace import apart
from hostile import seeds
from hostile.containment import contained
from hostile.examples import examples
from hostile.files import make
from hostile.mutations import mutated

EXAMPLES = examples(6)
SEED = os.environ.get("HOSTILE_SEED", "1")
SECONDS = 45.0
PATIENCE = 1.0
"""Seconds for a guest that does not answer: this one never does."""

LIVE, CONFIG = 1, 2


PLAIN = (
    "<disk><source file='/dir/a.raw'/><target dev='vdp'/></disk>"
    "<disk><source file='/dir/b.raw'/><target dev='sdp' bus='scsi'/><iotune><read_iops_sec>9</read_iops_sec>"
    "</iotune></disk><disk device='cdrom'><source file='/dir/c.raw'/><target dev='sdq' bus='usb'/></disk>"
    "<disk><driver type='qcow2'/><source file='/dir/a.qcow2'/><target dev='vdq'/></disk>"
    "<controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial' index='7'/>"
    "<interface type='user'><model type='virtio'/><link state='down'/></interface>"
    "<interface type='udp'><source address='127.0.0.1' port='1'><local address='127.0.0.1' port='0'/>"
    "</source><model type='virtio'/></interface><interface type='user'><model type='e1000e'/></interface>"
    "<interface type='ethernet'><model type='virtio'/></interface>"
    "<serial type='null'><target type='usb-serial'/></serial><serial type='pty'><target type='pci-serial'/>"
    "</serial><console type='pty'><target type='virtio'/></console>"
    "<channel type='unix'><target type='virtio' name='p'/></channel>"
    "<channel type='unix'><source mode='bind' path='/dir/q'/><target type='virtio' name='q'/></channel>"
    "<input type='mouse' bus='usb'/><input type='keyboard' bus='virtio'/>"
    "<watchdog model='i6300esb' action='pause'/>"
    "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    "<rng model='virtio'><rate bytes='9'/><backend model='builtin'/></rng>"
    "<graphics type='vnc' port='-1' passwd='q'><listen type='address' address='127.0.0.1'/></graphics>"
)
"""Devices with nothing about them, which the guest gets; the seeds have all that can be said."""


def _by_tag() -> dict[str, list[str]]:
    """The seeds' devices, and those."""
    found: dict[str, list[str]] = {}
    for text in (*seeds.ALL, *[seeds.domain(PLAIN)] * 3):
        for device in etree.fromstring(text).iterfind("devices/*"):
            text = etree.tostring(device, encoding="unicode", with_tail=False)
            found.setdefault(str(device.tag), []).append(text)
    return found


DEVICES = _by_tag()
GUEST = seeds.domain(
    "<controller type='pci' model='pcie-root'/>"
    + "<controller type='pci' model='pcie-root-port'/>" * 24
    + "<controller type='usb' model='qemu-xhci' ports='8'/><controller type='scsi' model='virtio-scsi'/>"
    "<controller type='virtio-serial'/><disk device='cdrom'><target dev='sdz' bus='sata'/></disk>"
    "<interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/></interface>"
    "<serial type='null'/><channel type='null'><target type='virtio' name='there'/></channel>"
    "<input type='tablet' bus='usb'/><rng model='virtio'><backend model='builtin'/></rng>"
    "<graphics type='vnc' port='-1' passwd='p'><listen type='address' address='127.0.0.1'/></graphics>"
    "<video><model type='virtio'/></video>",
    "<iothreads>1</iothreads>",
    after="<qemu:commandline><qemu:arg value='-global'/>"
    "<qemu:arg value='ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'/></qemu:commandline>",
)
"""With PCI Express' own hot-plug, and room for many."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the seeds' files."""
    made = tmp_path_factory.mktemp("hostile")
    make(made)
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the driver."""
    return tmp_path_factory.mktemp("h") / "root"


@pytest.fixture(scope="module")
def conn(root: Path) -> Iterator[virConnect]:
    """Open, away from the machine's networks; whatever runs in the end is killed."""
    with apart(), opened(root) as made:
        yield made


@pytest.fixture
def guest(
    conn: virConnect, root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[virDomain]:
    """One that has never run: its slots are off, so QEMU takes devices out again at once.

    In the end it answers, nothing has failed meanwhile, and what is shown and on record is what QEMU has.
    """
    monkeypatch.setattr(plugging, "PATIENCE", PATIENCE)
    domain = conn.defineXML(GUEST)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    begun = unexplained(domain)
    try:
        yield domain
        assert "child failed" not in caplog.text
        assert qmp(domain, "query-status")["status"] == "prelaunch"
        assert unexplained(domain) == begun
        assert filled(domain) == sources(domain.XMLDesc(0))
        record = json.loads((root / "run/qemu/seed.json").read_text())
        assert names(record["live"]) == names(domain.XMLDesc(0))
    finally:
        domain.destroy()
        domain.undefine()


def names(xml: str) -> set[str]:
    """The aliases of all devices."""
    return {str(alias.get("name")) for alias in etree.fromstring(xml).iterfind("devices/*/alias")}


def unexplained(domain: virDomain) -> set[str]:
    """Devices that only QEMU has, or only the live XML: what has a name without being a device there."""
    return names(domain.XMLDesc(0)) ^ {
        each["name"] for each in qmp(domain, "qom-list", path="/machine/peripheral")
    }


def sources(xml: str) -> set[str]:
    """The aliases of disks that are not empty."""
    disks = etree.fromstring(xml).iterfind("devices/disk[source]")
    return {str(each.find("alias").get("name")) for each in disks}  # type: ignore[union-attr]


def filled(domain: virDomain) -> set[str]:
    """The ids of QEMU's drives with something in them."""
    found = {each["qdev"] for each in qmp(domain, "query-block") if each.get("inserted")}
    return {way.removeprefix("/machine/peripheral/").split("/")[0] for way in found}


def qmp(domain: virDomain, command: str, **arguments: Any) -> Any:
    """What QEMU answers."""
    asked = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(qemuMonitorCommand(domain, asked, 0))["return"]


def traces(domain: virDomain) -> dict[str, list[str]]:
    """Everything in QEMU that a device can leave behind."""
    named = {
        "devices": qmp(domain, "qom-list", path="/machine/peripheral"),
        "objects": qmp(domain, "qom-list", path="/objects"),
    }
    found = {what: sorted(each["name"] for each in listed) for what, listed in named.items()}
    found["chardevs"] = sorted(each["label"] for each in qmp(domain, "query-chardev"))
    found["nodes"] = sorted(each["node-name"] for each in qmp(domain, "query-named-block-nodes"))
    found["statistics"] = sorted(each["qdev"] for each in qmp(domain, "query-blockstats"))
    return found


def tried(call: Any, text: str, flags: int) -> bool:
    """Whether it was done; a libvirtError is that it was not, anything else is the test's end."""
    try:
        call(text, flags)
    except libvirt.libvirtError as error:
        assert error.get_error_code() is not None and error.get_error_message()
        return False
    return True


def newest(domain: virDomain, shown: str, text: str) -> str:
    """The device that the live XML has more, for what was attached may fit several; its controllers stay."""
    listed = f"devices/{etree.fromstring(text).tag}"
    old = {etree.tostring(each, with_tail=False) for each in etree.fromstring(shown).iterfind(listed)}
    now = etree.fromstring(domain.XMLDesc(0)).findall(listed)
    new = [each for each in now if etree.tostring(each, with_tail=False) not in old]
    return etree.tostring(new[-1], encoding="unicode", with_tail=False)


@pytest.mark.timeout(120 + EXAMPLES * 45)
@pytest.mark.parametrize("family", DEVICES)
def test_mutated_devices_come_and_go_without_a_trace(family: str, guest: virDomain, place: Path) -> None:
    """What is refused leaves nothing in QEMU; what is attached can be detached, and leaves nothing then."""
    before, shown = traces(guest), guest.XMLDesc(0)
    became = {"refused": 0, "attached": 0, "kept": 0}
    for number in range(EXAMPLES):
        chance = random.Random(f"{SEED}/{family}/{number}")
        valid = chance.choice(DEVICES[family])
        text = contained(mutated(valid, chance, most=2) if chance.random() < 0.8 else valid, place)
        begun = time.monotonic()
        attached = tried(guest.attachDeviceFlags, text, LIVE)
        assert attached or (traces(guest), guest.XMLDesc(0)) == (before, shown), text
        became["attached" if attached else "refused"] += 1
        if attached:
            tried(guest.detachDeviceFlags, newest(guest, shown, text), LIVE)
            if guest.XMLDesc(0) != shown:
                # Conventional PCI asks the guest, and this one does not answer: the device is there, whole.
                assert set(before["devices"]) < set(traces(guest)["devices"]), text
                became["kept"] += 1
                before, shown = traces(guest), guest.XMLDesc(0)
        assert traces(guest) == before, text
        assert time.monotonic() - begun < SECONDS, text
    print(family, became)  # noqa: T201 - what a run of many has seen


@pytest.mark.timeout(120 + EXAMPLES * 45)
@pytest.mark.parametrize("family", DEVICES)
def test_mutated_updates_and_detachments_are_done_or_refused(
    family: str, guest: virDomain, place: Path
) -> None:
    """Changes of devices that are there, and of ones that are not, live and in the definition."""
    became = {True: 0, False: 0}
    for number in range(EXAMPLES):
        chance = random.Random(f"{SEED}/update/{family}/{number}")
        own = etree.fromstring(guest.XMLDesc(0)).findall(f"devices/{family}")
        there = [etree.tostring(each, encoding="unicode", with_tail=False) for each in own]
        text = contained(mutated(chance.choice(there * 3 + DEVICES[family]), chance, most=2), place)
        update, attach, detach = guest.updateDeviceFlags, guest.attachDeviceFlags, guest.detachDeviceFlags
        call = chance.choice([update, update, update, attach, detach])
        begun = time.monotonic()
        became[tried(call, text, chance.choice([LIVE, CONFIG, LIVE | CONFIG]))] += 1
        assert time.monotonic() - begun < SECONDS, text
        assert guest.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    print(family, became)  # noqa: T201 - what a run of many has seen
