"""Controllers in running guests, which find each where its address says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import embervirt as libvirt
from guest.domain import Console, linux
from guest.image import READY, ensure
from integration.devices.test_ports import ask, live

GOLDEN = Path(__file__).resolve().parents[2] / "golden/qemu"
SYSFS = "for d in /sys/bus/pci/devices/*; do echo at ${d##*/} $(cat $d/vendor $d/device); done"

SEEN = {
    "pc": {
        "nec-xhci": "0x1033 0x0194",
        "ich9-ehci1": "0x8086 0x293a",
        "pci-ohci": "0x106b 0x003f",
        "lsilogic": "0x1000 0x0012",
        "lsisas1068": "0x1000 0x0054",
        "lsisas1078": "0x1000 0x0060",
        "vmpvscsi": "0x15ad 0x07c0",
        "am53c974": "0x1022 0x2020",
        "virtio-scsi": "0x1af4 0x1004",
        "virtio-non-transitional": "0x1af4 0x1048",
        "virtio-serial": "0x1af4 0x1003",
        "pci-bridge": "0x1b36 0x0001",
    },
    "q35": {
        "pcie-root-port": "0x1b36 0x000c",
        "ioh3420": "0x8086 0x3420",
        "pcie-switch-upstream-port": "0x104c 0x8232",
        "pcie-switch-downstream-port": "0x104c 0x8233",
        "dmi-to-pci-bridge": "0x8086 0x244e",
        "pci-bridge": "0x1b36 0x0001",
        "qemu-xhci": "0x1b36 0x000d",
        "ich9-ehci1": "0x8086 0x293a",
        "virtio-scsi": "0x1af4 0x1048",
        "lsilogic": "0x1000 0x0012",
        "virtio-serial": "0x1af4 0x1043",
    },
}
"""The guest's name for a controller, by the machine; those behind a PCI Express port are modern virtio."""

UNBOOTED = ("1", "2")
"""The q35's expander bus and the port on it: with a ``pxb-pcie`` QEMU 7.2's SeaBIOS starts no kernel."""


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_guest_finds_each_controller_at_its_address(
    conn: libvirt.virConnect, tmp_path: Path, machine: str
) -> None:
    """One boot with all models: those on bus 0 at slot and function, those behind bridges by their names."""
    ensure()
    devices = ElementTree.parse(GOLDEN / f"controllers-{machine}.xml").find("devices")
    assert devices is not None
    unbooted = () if machine == "pc" else UNBOOTED
    controllers = "".join(
        ElementTree.tostring(each, "unicode")
        for each in devices.iterfind("controller")
        if each.get("type") != "pci" or each.get("index") not in unbooted
    )
    domain = conn.defineXML(linux(machine, devices=controllers).replace("'q35'", f"'{machine}'"))
    domain.create()
    console = Console(tmp_path / "root", machine)
    console.until(READY)
    tty = live(domain).find("console").get("tty")  # type: ignore[union-attr]
    assert tty is not None
    found = dict(
        line.removeprefix("at ").split(" ", 1)
        for line in ask(console, tty, SYSFS).replace("\r", "").splitlines()
        if line.startswith("at ")
    )
    for address in live(domain).iterfind("controller/address[@type='pci'][@bus='0x00']"):
        slot, function = int(address.get("slot", ""), 16), int(address.get("function", ""), 16)
        assert f"0000:00:{slot:02x}.{function}" in found
    missing = {model for model, name in SEEN[machine].items() if name not in found.values()}
    assert missing == set(), found
    domain.destroy()
