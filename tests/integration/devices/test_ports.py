"""Character devices and the small devices in a running guest, which sees them, and in its live XML."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

import embervirt as libvirt
from embervirt.drivers.root import sockets
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import SECONDS, Console, linux, small
from guest.image import READY, ensure
from guest.shell import typed

DEVICES = """
<serial type='pty'/>
<serial type='unix'><source mode='bind' path='{0}/second.sock'/></serial>
<serial type='file'><source path='{0}/third'/><target type='pci-serial'/></serial>
<parallel type='file'><source path='{0}/parallel'/></parallel>
<console type='pty'><target type='virtio'/></console>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<channel type='pty'><target type='virtio' name='org.example.0'/></channel>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
<memballoon model='virtio'><stats period='5'/></memballoon>
<watchdog model='i6300esb' action='pause'/>
<panic model='isa'/>
"""

ACPI = "ls /sys/bus/acpi/devices"
PCI, VIRTIO = "cat /sys/bus/pci/devices/*/device", "cat /sys/bus/virtio/devices/*/device"


def ask(console: Console, tty: str, command: str, seconds: float = SECONDS) -> str:
    """What a command prints in the guest. QEMU reads what is typed while somebody has the pty open."""
    start = len(console.text())
    descriptor = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(descriptor, typed(command))
        return console.until("\nEND", after=start, seconds=seconds)[start:].rpartition("BEGIN")[2]
    finally:
        os.close(descriptor)


def live(domain: libvirt.virDomain) -> ElementTree.Element:
    """Its devices."""
    found = ElementTree.fromstring(domain.XMLDesc()).find("devices")
    assert found is not None
    return found


def test_a_guest_sees_its_ports_and_small_devices(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """One boot with all of them: on ISA, PCI, virtio and ACPI each is where a driver looks for it."""
    ensure()
    xml = linux("ports", devices=DEVICES.format(tmp_path)).replace("<console type='pty'/>", "", 1)
    domain = conn.defineXML(xml)
    domain.create()
    console = Console(tmp_path / "root", "ports")
    console.until(READY)
    tty = live(domain).find("console").get("tty")  # type: ignore[union-attr]
    assert tty is not None
    ports = ask(console, tty, "cat /proc/tty/driver/serial")
    assert ports.count("uart:16550A") == 3
    pci = ask(console, tty, PCI)
    assert "0x25ab" in pci, "the watchdog"
    assert "0x0002" in pci, "the serial port on PCI"
    virtio = ask(console, tty, VIRTIO)
    assert {"0x0003", "0x0004", "0x0005"} <= set(virtio.split()), "ports, entropy, balloon"
    assert "QEMU0001" in ask(console, tty, ACPI), "the panic device"
    domain.destroy()


def test_live_xml_has_every_pty_and_socket(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """As libvirt writes it: the mirror's tty, a virtio console's source, the channel's path and state."""
    domain = conn.defineXML(small("live", devices=DEVICES.format(tmp_path), memory=64))
    domain.create()
    devices = live(domain)
    serial, mirror, virtio = devices.find("serial"), *devices.findall("console")
    assert serial is not None
    source = serial.find("source")
    assert source is not None
    assert mirror.get("tty") == source.get("path")
    assert virtio.get("tty") is None
    other = virtio.find("source")
    assert other is not None
    ptys = [source.get("path"), other.get("path")]
    assert len({Path(path or "").stat().st_rdev for path in ptys}) == 2
    agent, example = devices.findall("channel")
    path = tmp_path / "root/lib/qemu/channel/target/domain-1-live/org.qemu.guest_agent.0"
    assert {key: value for child in agent for key, value in child.items() if key in ("path", "state")} == {
        "path": str(path),
        "state": "disconnected",
    }
    assert example.find("source") is not None
    sockets.connect(path).close()
    domain.destroy()
    assert not path.parent.exists()
    assert "domain-1-live" not in domain.XMLDesc()


def test_statistics_of_the_balloon_come_from_the_start(conn: libvirt.virConnect) -> None:
    """QEMU polls the guest as often as the XML says."""
    devices = "<memballoon model='virtio'><stats period='5'/></memballoon>"
    domain = conn.defineXML(small("stats", devices=devices))
    domain.create()
    command = '{"execute":"qom-get","arguments":{"path":"/machine/peripheral/balloon0",'
    reply = qemuMonitorCommand(domain, command + '"property":"guest-stats-polling-interval"}}', 0)
    assert '"return":5' in reply.replace(" ", "")
    domain.destroy()


def test_a_guest_with_a_vsock_needs_a_host_that_has_them(
    conn: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the device of the host the start fails, says which is missing, and leaves nothing."""
    monkeypatch.setattr("embervirt.drivers.qemu.service.vsock.DEVICE", str(tmp_path / "vhost-vsock"))
    domain = conn.defineXML(small("vsock", devices="<vsock><cid auto='yes'/></vsock>"))
    with pytest.raises(libvirt.libvirtError, match=r"unable to open vhost-vsock device .*vhost-vsock"):
        domain.create()
    assert not list((tmp_path / "root/lib/qemu").glob("domain-*"))
    assert domain.isActive() == 0
