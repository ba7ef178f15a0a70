"""Sets of devices to place: a table of telling ones, random ones by a seed, and what an answer comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from xml.etree import ElementTree

Node = ElementTree.Element
GOLDEN = Path(__file__).resolve().parents[4] / "golden/addresses/libvirt9.jsonl"
"""What an installed libvirt 9.0 answered; the integration test writes it anew with ``--rewrite-golden``."""

SEEDS = range(60)
"""Seeds of the random sets that are in the golden file."""

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"


@dataclass(frozen=True)
class DeviceSet:
    """``devices`` is what stands in ``<devices>``."""

    machine: str
    devices: str

    @property
    def xml(self) -> str:
        """A whole domain."""
        return (
            f"<domain type='qemu'><name>placed</name><uuid>{UUID}</uuid><memory unit='MiB'>64</memory>"
            f"<vcpu>1</vcpu><os><type arch='x86_64' machine='{self.machine}'>hvm</type></os>"
            "<features><acpi/></features><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
            f"{self.devices}</devices></domain>"
        )


def golden() -> list[tuple[DeviceSet, list[str]]]:
    """Each set with libvirt's answer."""
    rows = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    return [(DeviceSet(row["machine"], row["devices"]), row["answer"]) for row in rows]


def refusal(code: int) -> list[str]:
    """The answer for a set that is refused."""
    return [f"error {code}"]


PLACED = (
    *("disk", "controller", "filesystem", "interface", "serial", "parallel", "console", "channel"),
    *("input", "sound", "video", "hub", "watchdog", "memballoon", "rng", "vsock", "panic"),
)


def answer(xml: str) -> list[str]:
    """A line for each device of a defined domain: what it is, and where."""
    devices = ElementTree.fromstring(xml).find("devices")
    return [] if devices is None else [_line(node) for node in devices if node.tag in PLACED]


def _line(node: Node) -> str:
    address, target, model = node.find("address"), node.find("target"), node.find("model")
    words = [node.tag, *_words(node)]
    if node.tag in ("controller", "disk") and target is not None:
        words += _words(target)
    if model is not None:
        words += [str(model.get("name") or model.get("type"))]
    return " ".join([*words, "at", "nowhere" if address is None else _place(address)])


def _place(address: Node) -> str:
    """``pci 0x00.0x1d.0x7``: the numbers with dots between; all is there but the PCI domain."""
    given = {name: value for name, value in address.attrib.items() if name != "domain"}
    shared = given.pop("multifunction", "")
    return " ".join(filter(None, (given.pop("type"), ".".join(given.values()), shared)))


def _words(node: Node) -> list[str]:
    return [f"{name}={value}" for name, value in node.attrib.items()]


def pci(model: str, index: int, inside: str = "") -> str:
    """A PCI controller."""
    return f"<controller type='pci' index='{index}' model='{model}'>{inside}</controller>"


def card(model: str = "virtio", place: str = "") -> str:
    """A network card; ``place`` are the attributes of its address."""
    address = f"<address type='pci' {place}/>" if place else ""
    mac = "<mac address='52:54:00:00:00:01'/>"
    return f"<interface type='user'>{mac}<model type='{model}'/>{address}</interface>"


def disk(dev: str, bus: str, device: str = "disk") -> str:
    """A disk with an image."""
    return f"<disk type='file' device='{device}'><source file='/i'/><target dev='{dev}' bus='{bus}'/></disk>"


def channel(place: str = "") -> str:
    """A virtio channel."""
    address = f"<address type='virtio-serial' {place}/>" if place else ""
    return f"<channel type='pty'><target type='virtio' name='a'/>{address}</channel>"


def tablet(place: str = "") -> str:
    """A USB tablet."""
    return f"<input type='tablet' bus='usb'><address type='usb' {place}/></input>" if place else TABLET


TABLET = "<input type='tablet' bus='usb'/>"
HUB = "<hub type='usb'/>"
VIDEO = "<video><model type='cirrus'/></video>"
NO_USB = "<controller type='usb' model='none'/>"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
EHCI = "<controller type='usb' model='ich9-ehci1'/>"
UHCI = "<controller type='usb' model='ich9-uhci1'/><controller type='usb' model='ich9-uhci2'/>"
VIRTIO_CONSOLE = "<console type='pty'><target type='virtio'/></console>"
EVERYTHING = (
    f"{card()}<sound model='ich6'/>{disk('vda', 'virtio')}<controller type='scsi' model='virtio-scsi'/>"
    f"<controller type='virtio-serial'/><controller type='sata'/>{RNG}<watchdog model='i6300esb'/>{VIDEO}"
    "<video><model type='qxl'/></video><input type='keyboard' bus='virtio'/>"
    "<vsock model='virtio'><cid auto='yes'/></vsock><serial type='pty'><target type='pci-serial'/></serial>"
    "<memballoon model='virtio'/>"
)

BOTH = (
    *(
        "",
        EVERYTHING,
        VIDEO,
        card() * 3,
        TABLET,
        TABLET * 3,
        TABLET * 10,
        HUB + TABLET * 9,
        NO_USB,
        NO_USB + TABLET,
    ),
    *(NO_USB + HUB, disk("sda", "scsi") + disk("sdh", "scsi") + disk("sdp", "scsi"), disk("sdg", "sata")),
    *(disk("fda", "fdc", "floppy"), disk("fdc", "fdc", "floppy"), disk("hdb", "ide"), disk("hde", "ide")),
    *(
        disk("sda", "usb") + TABLET + HUB + "<controller type='ccid'/><sound model='usb'/>",
        "<controller type='ccid'/>",
    ),
    *(channel(), channel() * 31, VIRTIO_CONSOLE, VIRTIO_CONSOLE + channel(), "<sound model='ich9'/>" * 2),
    *(EHCI, EHCI + UHCI, UHCI, (EHCI + UHCI) * 3, "<controller type='usb'/>", "<controller type='fdc'/>"),
    *(f"<controller type='usb' index='1' model='{model}'/>" for model in ("piix3-uhci", "nec-xhci", "ehci")),
    "<controller type='scsi' index='3'/><controller type='scsi'/><controller type='scsi' index='0'/>",
    "<controller type='scsi' index='1'/>" * 2,
    *(
        f"<controller type='scsi' model='{model}'/>"
        for model in ("auto", "virtio-transitional", "dc390", "bad")
    ),
    "<controller type='virtio-serial' ports='2'/>" + channel() * 3,
    "<controller type='virtio-serial' index='3'/>" + channel(),
    channel("controller='2' bus='0' port='5'") + channel(),
    channel("controller='0' bus='0' port='5'") * 2,
    channel("controller='0' bus='0' port='31'"),
    VIRTIO_CONSOLE.replace("</con", "<address type='virtio-serial' controller='0'/></con") + channel() * 2,
    *(tablet("bus='0' port='1'") + TABLET, tablet("bus='0' port='1'") * 2, tablet("bus='3'")),
    *(tablet("bus='0' port='1.1'"), tablet("bus='0' port='9'"), tablet("bus='0' port='0'")),
    HUB.replace("/>", "><address type='usb' bus='0' port='2'/></hub>")
    + tablet("bus='0' port='2.3'")
    + TABLET * 5,
    "<input type='tablet' bus='usb'><address type='pci' slot='4'/></input>",
    *(card("rtl8139", f"bus='0' slot='{slot}'") for slot in (0, 1, 2, 5, 31)),
    card("rtl8139", "bus='0' slot='2'") + VIDEO,
    card("rtl8139", "bus='0' slot='1' function='5'"),
    card("rtl8139", "bus='0' slot='5'") * 2,
    card("rtl8139", "bus='0' slot='5'") + card("rtl8139", "bus='0' slot='5' function='1'"),
    card("rtl8139", "bus='0' slot='5' multifunction='off'")
    + card("rtl8139", "bus='0' slot='5' function='1'"),
    card("rtl8139", "domain='1' bus='0' slot='5'"),
    card("rtl8139", "bus='0' slot='5' function='8'"),
    *(card("rtl8139", f"bus='{bus}' slot='1'") for bus in (1, 2, 4)),
    "<controller type='ide'><address type='pci' slot='5'/></controller>",
    "<controller type='sata'><address type='pci' slot='5'/></controller>",
    "<controller type='usb' model='piix3-uhci'><address type='pci' slot='5'/></controller>",
)
"""On a pc and on a q35."""

PC = (
    *(card() * count for count in (28, 29, 30, 60)),
    *(card() * 28 + VIDEO, pci("pci-bridge", 1) + card("rtl8139"), pci("pci-bridge", 3) + card("rtl8139")),
    *(pci("pci-expander-bus", 1) + card() * 30, pci("pci-expander-bus", 1) + pci("pci-expander-bus", 2)),
    *(pci("pcie-root-port", 1), pci("pcie-root", 0), pci("pci-root", 1), pci("bogus", 1)),
    *("<controller type='pci' index='1'/>", pci("pci-root", 0, "<target hotplug='off'/>")),
    pci("pci-bridge", 1, "<target chassisNr='7'/>"),
    *(pci("pci-bridge", 1, f"<target chassisNr='{number}'/>") for number in (0, 256)),
    pci("pci-bridge", 1) + card("rtl8139", "bus='1' slot='0'"),
    pci("pci-bridge", 1, "<target hotplug='off'/>"),
)

Q35 = (
    *(card("rtl8139") * 33, pci("pcie-root", 0) + pci("pcie-root-port", 1)),
    pci("pcie-root-port", 1) + pci("pcie-root-port", 2) + card() * 4,
    *(
        pci("pcie-root-port", 5) + card(),
        pci("pcie-root-port", 1) + card("rtl8139"),
        pci("pcie-to-pci-bridge", 1),
    ),
    *(pci("dmi-to-pci-bridge", 1) + card("rtl8139"), pci("pci-bridge", 1) + card("rtl8139")),
    *(
        card("virtio", "bus='3' slot='0'"),
        card("virtio", "bus='40' slot='0'"),
        card("virtio", "bus='1' slot='1'"),
    ),
    card("virtio", "bus='2' slot='0'") + card("rtl8139", "bus='4' slot='1'") + card(),
    pci("pcie-root-port", 1)
    + pci("pcie-switch-upstream-port", 2)
    + "".join(pci("pcie-switch-downstream-port", index) for index in (3, 4))
    + card() * 3,
    pci("pcie-switch-upstream-port", 1) + pci("pcie-switch-downstream-port", 2),
    pci("pcie-switch-downstream-port", 1),
    *(
        pci("pcie-expander-bus", 1) + pci("pcie-root-port", 2) + card(),
        pci("pci-expander-bus", 1),
        pci("pci-root", 0),
    ),
    pci("pcie-expander-bus", 1) + card("virtio", "bus='1' slot='0'"),
    pci("pcie-root-port", 1, "<target hotplug='off' chassis='9' port='0x33'/>") + card() * 2,
    pci("pcie-root-port", 1, "<model name='ioh3420'/>"),
    *(pci("pcie-root-port", 1, f"<model name='{name}'/>") for name in ("bogus", "pxb")),
    pci("pcie-root-port", 1, "<address type='pci' bus='0' slot='6'/>")
    + pci("pcie-root-port", 2)
    + card() * 3,
    pci("pcie-root-port", 1, "<address type='pci' bus='0' slot='1'/>") + card() * 3,
    *("<video><model type='virtio'/></video>" * 2, VIDEO + card("rtl8139", "bus='0' slot='1'") + card()),
)

TABLE = (
    *(DeviceSet(machine, devices) for devices in BOTH for machine in ("pc", "q35")),
    *(DeviceSet("pc", devices) for devices in PC),
    *(DeviceSet("q35", devices) for devices in Q35),
)


def random_set(seed: int) -> DeviceSet:
    """A set that no rule refuses for its devices; for their number or places one may be."""
    random = Random(seed)
    q35 = random.random() < 0.55
    usb, ports = _usb(random)
    devices = [*_bridges(random, q35), *usb, *_controllers(random), *_disks(random, q35, ports > 0)]
    devices += [card(model) for model in random.choices(CARDS, k=random.choice([0, 1, 2, 3, 5, 30]))]
    devices += [channel()] * random.choice([0, 0, 1, 3]) + [VIRTIO_CONSOLE] * random.choice([0, 0, 1])
    devices += [TABLET] * (random.choice([0, 1, 2, 4, 9]) if ports else 0)
    devices += [HUB] * (random.choice([0, 0, 1]) if ports else 0)
    devices += [f"<sound model='{model}'/>" for model in random.sample(SOUNDS, k=random.choice([0, 0, 1, 2]))]
    devices += [each for each in OTHERS if random.random() < 0.25]
    if random.random() < 0.3:
        random.shuffle(devices)
    return DeviceSet("q35" if q35 else "pc", "".join(devices))


CARDS = ("virtio", "virtio", "e1000", "rtl8139", "e1000e", "virtio-transitional")
SOUNDS = ("ich6", "ich9", "ac97", "es1370", "sb16")
OTHERS = (
    *("<input type='keyboard' bus='virtio'/>", "<watchdog model='i6300esb'/>", VIDEO, RNG),
    *("<video><model type='virtio'/></video>", "<serial type='pty'><target type='pci-serial'/></serial>"),
    *("<vsock model='virtio'><cid auto='yes'/></vsock>", "<memballoon model='virtio-transitional'/>"),
)


def _usb(random: Random) -> tuple[list[str], int]:
    """The USB controllers, and whether there are ports."""
    models = ("nec-xhci", "qemu-xhci", "piix3-uhci", "ehci", "pci-ohci", "piix4-uhci", "none")
    model = random.choice(models)
    given = [f"<controller type='usb' index='0' model='{model}'/>"]
    return random.choice(([], [EHCI, UHCI], given)), int(model != "none")


def _bridges(random: Random, q35: bool) -> list[str]:
    models = ("pcie-root-port", "pcie-root-port", "dmi-to-pci-bridge", "pcie-expander-bus")
    some = random.choices(models if q35 else ("pci-bridge", "pci-bridge", "pci-expander-bus"), k=4)
    return [pci(model, index) for index, model in enumerate(some[: random.choice([0, 0, 1, 3])], start=1)]


def _controllers(random: Random) -> list[str]:
    models = ("virtio-scsi", "lsilogic", "lsisas1068", "virtio-transitional", "vmpvscsi")
    scsi = random.choices(models, k=random.choice([0, 0, 1, 2]))
    return [f"<controller type='scsi' model='{model}'/>" for model in scsi]


def _disks(random: Random, q35: bool, usb: bool) -> list[str]:
    found = [disk(f"vd{letter}", "virtio") for letter in "abcd"[: random.choice([0, 1, 2, 4])]]
    found += [disk(dev, "scsi") for dev in ("sda", "sdh") if random.random() < 0.15]
    found += [disk("sdb", "sata")] if random.random() < 0.2 else []
    found += [disk("hdc", "ide")] if not q35 and random.random() < 0.2 else []
    return found + ([disk("sdc", "usb")] if usb and random.random() < 0.15 else [])
