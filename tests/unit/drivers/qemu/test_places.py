"""What devices share: their places, the ACPI index, options of virtio; as libvirt 9 has them."""

from __future__ import annotations

import json
import shutil

import pytest

import described
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import argv
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.compiling import DEVICES
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

XML_ERROR, UNSUPPORTED, INTERNAL, DETAIL = 27, 67, 1, 35
RNG = "<rng model='virtio'><backend model='builtin'/>{}</rng>"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """swtpm is there, whatever this host has."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def defined(devices: str, caps: Capabilities, machine: str = "pc") -> Domain:
    """A domain with these devices, as the driver defines it."""
    text = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        f"<os><type machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"
    )
    return described.defined(text, caps, strict=False)


def told(field: str, domain: Domain, caps: Capabilities) -> list[dict[str, object]]:
    """The properties of QEMU's devices for a list of the domain's."""
    build = Build(named(domain), caps, described.RUN)
    found = [part for each in build.domain.devices.lists[field] for part in DEVICES[field](each, build)]
    return [json.loads(word) for word in argv(found) if word.startswith('{"driver"')]


@pytest.mark.parametrize(
    ("field", "xml"),
    [
        ("rngs", RNG),
        ("watchdogs", "<watchdog model='i6300esb'>{}</watchdog>"),
        ("memballoons", "<memballoon model='virtio'>{}</memballoon>"),
        ("inputs", "<input type='mouse' bus='virtio'>{}</input>"),
        ("sounds", "<sound model='ac97'>{}</sound>"),
        ("vsocks", "<vsock>{}</vsock>"),
        ("controllers", "<controller type='sata' index='1'>{}</controller>"),
    ],
)
def test_an_acpi_index_is_kept_and_told_with_the_slot(field: str, xml: str, caps: Capabilities) -> None:
    """Whatever device on PCI has one; the XML keeps it."""
    domain = defined(xml.format("<acpi index='7'/>"), caps)
    assert "<acpi index='7'/>" in render(domain)
    assert 7 in [each.get("acpi-index") for each in told(field, domain, caps)]


def test_an_acpi_index_of_what_has_no_place_is_kept_and_not_told(caps: Capabilities) -> None:
    """Of a PS/2 mouse, say; libvirt 9 minds only a place that is not on PCI."""
    domain = defined("<input type='mouse' bus='ps2'><acpi index='7'/></input>", caps)
    assert "<acpi index='7'/>" in render(domain)
    assert told("inputs", domain, caps) == []


@pytest.mark.parametrize(
    "xml",
    [
        RNG.format("<acpi/>"),
        RNG.format("<driver/>"),
        "<controller type='virtio-serial'><driver/></controller>",
        "<controller type='scsi' model='lsilogic'><driver queues='0'/></controller>",
        "<controller type='pci' index='0' model='pci-root'><target/></controller>",
        "<memballoon model='none'><acpi index='3'/><alias name='ua-b'/><address type='isa'/></memballoon>",
        "<controller type='usb' model='none'><address type='pci' slot='9'/></controller>",
    ],
)
def test_elements_that_say_nothing_are_not_kept(xml: str, caps: Capabilities) -> None:
    """An element without a value that counts, and the place of what is no device."""
    words = ("<acpi", "<driver", "<target", "<alias", "type='isa'", "slot='0x09'")
    assert not [word for word in words if word in render(defined(xml, caps))]


@pytest.mark.parametrize(
    ("devices", "code", "message"),
    [
        (RNG.format("<acpi index='0'/>"), XML_ERROR, "/acpi/@index"),
        ("<hub type='usb'><acpi index='7'/></hub>", UNSUPPORTED, "ACPI index is only supported for PCI"),
        (RNG.format("<address/>"), INTERNAL, "attribute 'type' is missing"),
        (RNG.format("<address type='moon'/>"), UNSUPPORTED, "'moon' is not accepted"),
        (RNG.format("<address type='usb' bus='0' port='1'/>"), INTERNAL, "address type for 'virtio-rng'"),
        (
            "<input type='mouse' bus='virtio'><address type='isa'/></input>",
            *(INTERNAL, "address type for 'virtio-input'"),
        ),
        (
            "<controller type='scsi' model='virtio-scsi'><address type='isa'/></controller>",
            *(INTERNAL, "address type for 'virtio-scsi'"),
        ),
        (
            "<sound model='ac97'><address type='virtio-serial' controller='4' port='1'/></sound>",
            *(XML_ERROR, "virtio serial controller 4 is missing"),
        ),
        ("<hub type='usb'><address type='usb' port='a'/></hub>", INTERNAL, "/address/@port"),
        (RNG.format("<address type='pci' slot='1' function='3'/>"), XML_ERROR, "double use of PCI Address"),
        (
            "<controller type='ide' index='0'><address type='pci' slot='1'/></controller>",
            *(INTERNAL, "Primary IDE controller must have PCI address 0:0:1.1"),
        ),
        (
            "<controller type='pci' index='0' model='pci-root'><address type='pci'/></controller>",
            *(UNSUPPORTED, "should not have an address"),
        ),
        (
            "<controller type='usb' index='1' model='ehci'><master startport='0'/></controller>",
            *(DETAIL, "No master USB controller specified"),
        ),
        (
            "<controller type='usb' index='1' model='none'/><hub type='usb'/>",
            *(UNSUPPORTED, "USB is disabled for this domain"),
        ),
        (
            "<controller type='pci' index='1' model='pcie-expander-bus'/>",
            *(UNSUPPORTED, "not supported with this machine type"),
        ),
        (
            "<controller type='pci' index='256' model='pci-bridge'/>",
            *(UNSUPPORTED, "index 256 too high, maximum is 255"),
        ),
        (
            "<controller type='pci' index='1'/><controller type='pci' index='1' model='pci-bridge'/>",
            *(XML_ERROR, "Multiple 'pci' controllers"),
        ),
        ("<input type='mouse' bus='xen'/>", INTERNAL, "unsupported input bus xen"),
        ("<input type='mouse' bus='moon'/>", UNSUPPORTED, "'moon' is not accepted"),
    ],
)
def test_an_impossible_place_is_refused(devices: str, code: int, message: str, caps: Capabilities) -> None:
    """With libvirt 9's code."""
    with pytest.raises(libvirtError, match=message) as caught:
        defined(devices, caps)
    assert caught.value.get_error_code() == code


@pytest.mark.parametrize(
    ("devices", "code"),
    [
        ("<watchdog/>", INTERNAL),
        ("<hub/>", INTERNAL),
        ("<input/>", INTERNAL),
        ("<input type='mouse' bus='virtio' model='moon'/>", UNSUPPORTED),
        ("<sound model='ich6'><codec/></sound>", UNSUPPORTED),
        ("<sound model='ich7'/>", INTERNAL),
        ("<memballoon model='xen'/>", INTERNAL),
        ("<controller type='xenbus'/>", INTERNAL),
        ("<rng model='moon'><backend model='builtin'/></rng>", UNSUPPORTED),
        ("<tpm><backend type='emulator' persistent_state='moon'/></tpm>", INTERNAL),
        ("<tpm><backend type='emulator'><encryption secret='moon'/></backend></tpm>", INTERNAL),
    ],
)
def test_a_word_that_is_missing_or_wrong_has_its_code(devices: str, code: int, caps: Capabilities) -> None:
    """Libvirt 9 has one for a wrong value, one for what it does not serve, one for a lack."""
    with pytest.raises(libvirtError) as caught:
        defined(devices, caps)
    assert caught.value.get_error_code() == code


def test_a_pci_address_of_zeroes_and_a_function_is_none_yet(caps: Capabilities) -> None:
    """Slot 0 of bus 0 is the host bridge, whatever function is named."""
    domain = defined(RNG.format("<address type='pci' slot='0' function='7'/>"), caps)
    assert render(domain.devices.rngs[0].address or domain).strip().endswith("slot='0x03' function='0x0'/>")


def test_numbers_of_isa_are_hexadecimal(caps: Capabilities) -> None:
    """With and without 0x; a place that names no port has port 0."""
    places = ("iobase='1285' irq='12'", "iobase='0x1285'", "")
    panics = [f"<panic model='isa'><address type='isa' {place}/></panic>" for place in places]
    domains = [defined(panic, caps) for panic in panics]
    assert "<address type='isa' iobase='0x1285' irq='0x12'/>" in render(domains[0])
    ports = [told("panics", domain, caps)[0].get("ioport") for domain in domains]
    assert ports == [0x1285, 0x1285, 0]


def test_the_first_companion_of_a_q35_has_its_own_slot(caps: Capabilities) -> None:
    """Where the chipset has it and with more functions, although another of its set is elsewhere."""
    ehci = "<address type='pci' slot='5' function='7'/>"
    usb = "<controller type='usb' index='2' model='ich9-{}'>{}</controller>"
    domain = defined(usb.format("ehci1", ehci) + usb.format("uhci1", ""), caps, "q35")
    own = "bus='0x00' slot='0x1d' function='0x0' multifunction='on'"
    assert own in render(domain)


def test_controllers_for_channels_stand_before_those_for_consoles(caps: Capabilities) -> None:
    """Although consoles get their ports first."""
    port = "<address type='virtio-serial' controller='1' port='5'/>"
    channel = f"<channel type='null'><target type='virtio' name='c'/>{port}</channel>"
    console = "<console type='pty'><target type='virtio'/></console>"
    domain = defined(console + channel, caps)
    assert [c.index for c in domain.devices.controllers if c.type == "virtio-serial"] == [1, 0]


def test_only_xhci_takes_a_number_of_ports(caps: Capabilities) -> None:
    """Of other models it is in the XML alone: two hubs have room on a UHCI of one port."""
    usb = "<controller type='usb' index='0' model='{}' ports='1'/>" + "<hub type='usb'/>" * 2
    ports = [
        [hub.address.port for hub in defined(usb.format(model), caps).devices.hubs]  # type: ignore[union-attr]
        for model in ("piix3-uhci", "qemu-xhci")
    ]
    assert ports == [["1", "2"], ["1", "1.1"]]


def test_only_the_root_of_pci_has_a_hole(caps: Capabilities) -> None:
    """Of any other controller libvirt 9 reads none."""
    hole = "<controller type='pci' index='{}' model='{}'><pcihole64>1048576</pcihole64></controller>"
    shown = [render(defined(hole.format(*each), caps)) for each in ((0, "pci-root"), (1, "pci-bridge"))]
    assert ["<pcihole64" in text for text in shown] == [True, False]


@pytest.mark.parametrize("bus", [0, 1])
def test_a_bridge_stays_in_a_slot_of_pci_express_if_the_xml_says_so(bus: int, caps: Capabilities) -> None:
    """As any conventional device does: on the root itself, or in a port."""
    place = f"<address type='pci' bus='{bus}' slot='{5 * (not bus)}'/>"
    bridge = f"<controller type='pci' index='2' model='pci-bridge'>{place}</controller>"
    port = "<controller type='pci' index='1' model='pcie-root-port'/>"
    (found,) = (c for c in defined(port + bridge, caps, "q35").devices.controllers if c.index == 2)
    assert f"bus='0x0{bus}' slot='0x0{5 * (not bus)}'" in render(found)


def test_an_entropy_source_may_be_any_path(caps: Capabilities) -> None:
    """QEMU opens it where it runs."""
    rng = "<rng model='virtio'><backend model='random'>rel/path</backend></rng>"
    assert defined(rng, caps).devices.rngs[0].backend.path == "rel/path"


def test_a_tpm_shows_what_counts(caps: Capabilities) -> None:
    """One outside is connected to; one that is not to persist says nothing of it."""
    source = "<source type='unix' path='/s'/>"
    outside = defined(f"<tpm><backend type='external'>{source}</backend></tpm>", caps)
    assert "mode='connect'" in render(outside)
    inside = "<tpm><backend type='emulator' version='2.0' persistent_state='no'/></tpm>"
    assert "persistent_state" not in render(defined(inside, caps))
