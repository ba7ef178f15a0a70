"""Whatever the schema knows as a device stands in a table, so that a guest has been seen to see it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from embervirt.drivers.qemu.model import Devices
from embervirt.drivers.qemu.model.chardev import SerialTarget
from embervirt.drivers.qemu.model.controller import MODELS
from embervirt.drivers.qemu.model.disk import Disk, DiskTarget
from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.model.sound import Sound
from embervirt.drivers.qemu.model.tpm import Tpm
from embervirt.drivers.qemu.model.video import VideoModel
from embervirt.drivers.qemu.model.watchdog import Watchdog
from embervirt.drivers.xml import Element
from embervirt.drivers.xml.bindings import Children
from guest.sights import Sight
from integration.devices.tables.guests import GUESTS

NOT_SEEN = {
    "graphics": "the guest has nothing of it",
    "audio": "the guest has nothing of it",
    "vsock": "needs the host's vhost-vsock, which not every host has",
}
CHOICES: tuple[tuple[type[Element], str, str, set[str]], ...] = (
    (Sound, "model", "sound", set()),
    (Watchdog, "model", "watchdog", set()),
    (Tpm, "model", "tpm", set()),
    (VideoModel, "type", "video/model", {"default"}),  # becomes one of the others
    (Input, "bus", "input", {"xen"}),  # which validate refuses
    (Input, "type", "input", {"passthrough", "evdev"}),  # devices of the host
    (DiskTarget, "bus", "disk/target", set()),
    (Disk, "device", "disk", {"lun"}),  # a device of the host
    (SerialTarget, "type", "serial/target", {"isa-debug"}),  # which nobody can find
)
"""Class, its attribute, where it stands in a row, and what stands in none."""

NO_CONTROLLER = {
    ("usb", "vt82c686b-uhci"): "QEMU 7.2 for x86 has none",
    ("scsi", "ibmvscsi"): "of another architecture",
    ("scsi", "auto"): "becomes one of the others",
    ("usb", "none"): "is none",
    ("ide", "piix4"): "of another machine",
    ("ide", "ich6"): "of another machine",
    ("fdc", None): "comes with a floppy drive",
    ("pci", "pci-root"): "every machine has one",
    ("pci", "pcie-root"): "every machine has one",
    ("pci", "pci-expander-bus"): "in test_controllers",
}

ROWS: list[Sight] = [row for guest in GUESTS.values() for row in guest.devices.values()]


def test_every_kind_has_a_row() -> None:
    """A list of devices that is new in the schema is missed here."""
    kinds = {each.name for each in Devices.__schema__.bindings.values() if isinstance(each, Children)}
    seen = {ElementTree.fromstring(row.xml).tag for row in ROWS}
    assert kinds - seen == set(NOT_SEEN)


@pytest.mark.parametrize(("cls", "name", "path", "without"), CHOICES)
def test_every_model_has_a_row(cls: type[Element], name: str, path: str, without: set[str]) -> None:
    """So is a new word for a model, a bus, a type."""
    served = set(getattr(cls.__schema__.bindings[name], "codec").values)  # noqa: B009 - of choices only
    assert served - values(path, name) == without


def test_every_model_of_a_controller_has_a_row() -> None:
    """By type and model."""
    served = {(kind, model) for kind, models in MODELS.items() for model in models or (None,)}
    found = [ElementTree.fromstring(row.xml) for row in ROWS if row.xml.startswith("<controller")]
    assert served - {(each.get("type"), each.get("model")) for each in found} == set(NO_CONTROLLER)


def values(path: str, name: str) -> set[str | None]:
    """What the rows have for an attribute."""
    tag, _, below = path.partition("/")
    rows = [each for each in (ElementTree.fromstring(row.xml) for row in ROWS) if each.tag == tag]
    found = [row.find(below) if below else row for row in rows]
    return {each.get(name) for each in found if each is not None}
