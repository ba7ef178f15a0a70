"""Controllers: what QEMU gets for each model, and what libvirt 9 says of those that cannot be."""

from __future__ import annotations

import json

import pytest

import described
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import Device, Option
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.controller import parts
from embervirt.errors import libvirtError


def pci(model: str, index: int = 1, inside: str = "") -> str:
    """A PCI controller."""
    return f"<controller type='pci' index='{index}' model='{model}'>{inside}</controller>"


def defined(devices: str, caps: Capabilities, machine: str = "pc") -> Domain:
    """A domain with these devices, as the driver defines it."""
    text = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        f"<os><type machine='{machine}'>hvm</type></os><features><acpi/></features>"
        f"<devices>{devices}</devices></domain>"
    )
    return described.defined(text, caps, strict=False)


def compiled(devices: str, caps: Capabilities, machine: str) -> list[str]:
    """The options of all controllers."""
    build = Build(named(defined(devices, caps, machine)), caps, described.RUN)
    made = [part for each in build.domain.devices.controllers for part in parts(each, build)]
    found = []
    for part in made:
        if isinstance(part, Option):
            found.append(f"{part.name} {part.value}")
        elif isinstance(part, Device):
            found.append(json.dumps({"driver": part.driver, "id": part.id, **part.props}))
    return found


def scsi(model: str, driver: str = "") -> str:
    """A SCSI controller."""
    return f"<controller type='scsi' model='{model}'>{driver}</controller>"


@pytest.mark.parametrize(
    ("devices", "driver", "props"),
    [
        (
            "<controller type='usb' model='nec-xhci' ports='8'/>",
            "nec-usb-xhci",
            {"p2": 8, "p3": 8, "id": "usb"},
        ),
        ("<controller type='usb' model='ehci' index='1'/>", "usb-ehci", {"id": "usb1", "addr": "0x2"}),
        (
            "<controller type='usb' model='ich9-ehci1'/><controller type='usb' model='ich9-uhci2'/>",
            "ich9-usb-uhci2",
            {"id": None, "masterbus": "usb.0", "firstport": 2, "addr": "0x2.0x1"},
        ),
        (scsi("auto"), "lsi", {"id": "scsi0", "bus": "pci.0"}),
        (scsi("lsisas1068"), "mptsas1068", {}),
        (scsi("lsisas1078"), "megasas", {}),
        (scsi("vmpvscsi"), "pvscsi", {}),
        (scsi("virtio-non-transitional"), "virtio-scsi-pci-non-transitional", {}),
        (
            scsi(
                "virtio-scsi",
                "<driver queues='2' cmd_per_lun='5' max_sectors='9' ioeventfd='on' packed='off'/>",
            ),
            "virtio-scsi-pci",
            {"num_queues": 2, "cmd_per_lun": 5, "max_sectors": 9, "ioeventfd": True, "packed": False},
        ),
        (
            "<controller type='virtio-serial' ports='4' vectors='3'/>",
            "virtio-serial-pci",
            {"max_ports": 4, "vectors": 3, "id": "virtio-serial0"},
        ),
        ("<controller type='ccid'/>", "usb-ccid", {"id": "ccid0", "bus": "usb.0", "port": "1"}),
        ("<controller type='sata'/>", "ahci", {"id": "sata0"}),
        (pci("pci-bridge"), "pci-bridge", {"chassis_nr": 1, "id": "pci.1"}),
        (pci("pci-expander-bus", inside="<target busNr='180'/>"), "pxb", {"bus_nr": 180}),
    ],
)
def test_a_controller_of_a_pc_becomes_this_device(
    devices: str, driver: str, props: dict[str, object], caps: Capabilities
) -> None:
    """Driver and properties are those that libvirt 9 gives QEMU 7.2."""
    found = [json.loads(each) for each in compiled(devices, caps, "pc") if each.startswith("{")]
    match = next(each for each in found if each["driver"] == driver)
    assert props.items() <= match.items()


def test_what_a_pc_has_is_no_option(caps: Capabilities) -> None:
    """Its IDE, its floppy controller and the root of PCI need none; USB does."""
    devices = "<controller type='ide'/><controller type='fdc'/>"
    assert [json.loads(each)["driver"] for each in compiled(devices, caps, "pc")] == ["piix3-usb-uhci"]


@pytest.mark.parametrize(
    ("machine", "inside", "options"),
    [
        ("pc", "<target hotplug='off'/>", ["global PIIX4_PM.acpi-root-pci-hotplug=off"]),
        ("pc", "<pcihole64 unit='GiB'>2</pcihole64>", ["global i440FX-pcihost.pci-hole64-size=2097152K"]),
        ("q35", "<pcihole64>1024</pcihole64>", ["global q35-pcihost.pci-hole64-size=1024K"]),
    ],
)
def test_a_root_of_pci_has_options_of_the_machine(
    machine: str, inside: str, options: list[str], caps: Capabilities
) -> None:
    """The root is no device of its own: what is said of it are global properties."""
    root = pci("pci-root" if machine == "pc" else "pcie-root", 0, inside)
    assert [each for each in compiled(root, caps, machine) if not each.startswith("{")] == options


NUMBER = "PCI controller {} '{}' out of range - must be {}"
NOT_VALID = "Option '{}' is not valid for PCI controller with index '{}', model '{}' and modelName '{}'"
NEEDED = (
    "a PCI slot is needed to connect a PCI controller model='{}', but none is available,"
    " and it cannot be automatically added"
)
PORT = "pcie-root-port"


@pytest.mark.parametrize(
    ("machine", "devices", "code", "message"),
    [
        ("pc", "<controller type='usb' model='bad'/>", 67, "Unknown model type 'bad'"),
        ("pc", "<controller type='pci' index='1'/>", 1, "PCI controller model was not set correctly"),
        ("pc", pci("pci-root"), 27, "pci-root and pcie-root controllers should have index 0"),
        ("pc", pci(PORT), 1, NEEDED.format(PORT)),
        ("q35", pci("pci-expander-bus"), 67, "are not supported with this machine type"),
        ("pc", "<controller type='ide' index='1'/>", 67, "Only a single IDE controller is supported"),
        ("q35", "<controller type='ide'/>", 67, "IDE controllers are unsupported"),
        ("pc", "<controller type='usb' model='qemu-xhci' ports='16'/>", 67, "only supports up to '15' ports"),
        ("pc", "<controller type='usb' model='ich9-uhci1'/>", 35, "No master USB controller specified"),
        (
            "pc",
            "<controller type='usb' model='none'/><controller type='usb'/>",
            35,
            "USB is disabled for this",
        ),
        (
            "pc",
            scsi("lsilogic", "<driver queues='2'/>"),
            67,
            "'queues' is only supported by virtio-scsi controller",
        ),
        ("pc", scsi("lsilogic", "<driver iothread='1'/>"), 27, "only supported for virtio scsi controllers"),
        ("pc", scsi("virtio-scsi", "<driver iothread='1'/>"), 67, "iothread '1' not defined in iothreadid"),
        ("q35", pci(PORT, inside="<target port='256'/>"), 67, NUMBER.format("port", 256, "0-255")),
        ("q35", pci(PORT, inside="<target chassis='256'/>"), 67, NUMBER.format("chassis", 256, "0-255")),
        (
            "pc",
            pci("pci-bridge", inside="<target chassisNr='0'/>"),
            67,
            NUMBER.format("chassisNr", 0, "1-255"),
        ),
        (
            "q35",
            pci("pcie-expander-bus", inside="<target busNr='255'/>"),
            67,
            NUMBER.format("busNr", 255, "1-254"),
        ),
        (
            "q35",
            pci("pcie-expander-bus", inside="<target><node>4</node></target>"),
            27,
            "is configured for a NUMA node (4) not present in the domain's <cpu><numa> array (0)",
        ),
        (
            "pc",
            pci("pci-bridge", inside="<target hotplug='off'/>"),
            67,
            NOT_VALID.format("hotplug", 1, "pci-bridge", "pci-bridge"),
        ),
        (
            "q35",
            pci("pcie-root", 0, "<target hotplug='off'/>"),
            67,
            NOT_VALID.format("hotplug", 0, "pcie-root", "none"),
        ),
        ("q35", pci(PORT, inside="<model name='pxb'/>"), 67, "Option 'modelName' has invalid value"),
        (
            "pc",
            "<controller type='ide'><address type='pci' slot='5'/></controller>",
            1,
            "Primary IDE controller must have PCI address 0:0:1.1",
        ),
        (
            "q35",
            pci(PORT) + pci("dmi-to-pci-bridge", 2, "<address type='pci' bus='1' slot='0'/>"),
            27,
            "The device at PCI address 0000:01:00.0 cannot be plugged into the PCI controller with index='1'."
            " It requires a controller that accepts a dmi-to-pci-bridge.",
        ),
    ],
)
def test_a_controller_that_cannot_be_is_refused_as_libvirt_refuses_it(
    machine: str, devices: str, code: int, message: str, caps: Capabilities
) -> None:
    """The code is libvirt 9's, and the message has its words."""
    with pytest.raises(libvirtError) as refused:
        defined(devices, caps, machine)
    assert refused.value.get_error_code() == code
    assert message in str(refused.value)
