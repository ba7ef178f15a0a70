"""What stands in a ``pc``: conventional PCI, ISA, IDE and a floppy controller."""

from __future__ import annotations

from guest.sights import Sight, sight

USB = {
    "piix3-uhci": ("8086:7020", "uhci_hcd"),
    "piix4-uhci": ("8086:7112", "uhci_hcd"),
    "ehci": ("8086:24cd", "ehci-pci"),
    "pci-ohci": ("106b:003f", "ohci-pci"),
    "nec-xhci": ("1033:0194", "xhci_hcd"),
    "qemu-xhci": ("1b36:000d", "xhci_hcd"),
}
"""Models of controllers, each with a number of its own: PCI's name and Linux's driver."""

ICH9 = {"ich9-ehci1": "293a", "ich9-uhci1": "2934", "ich9-uhci2": "2935", "ich9-uhci3": "2936"}
"""A set, of one number."""

SCSI = {
    "lsilogic": ("1000:0012", "sym53c8xx"),
    "lsisas1068": ("1000:0054", "mptsas"),
    "lsisas1078": ("1000:0060", "megaraid_sas"),
    "vmpvscsi": ("15ad:07c0", "vmw_pvscsi"),
    "am53c974": ("1022:2020", "am53c974"),
    "dc390": ("1022:2020", "am53c974"),
    "virtio-scsi": ("1af4:1004", "virtio-pci"),
    "virtio-transitional": ("1af4:1004", "virtio-pci"),
    "virtio-non-transitional": ("1af4:1048", "virtio-pci"),
}

NARROW = ("lsilogic", "am53c974", "dc390")
"""Those that only count targets, which libvirt calls units."""

WITH_DISK = ("lsilogic", "vmpvscsi")
"""With disks on more of them SeaBIOS does not come to an end."""

CARDS = {
    "rtl8139": ("10ec:8139", "8139cp"),
    "e1000": ("8086:100e", "e1000"),
    "e1000-82544gc": ("8086:100c", "e1000"),
    "e1000-82545em": ("8086:100f", "e1000"),
    "ne2k_pci": ("10ec:8029", "ne2k-pci"),
    "pcnet": ("1022:2000", "pcnet32"),
    "tulip": ("1011:0019", "tulip"),
    "i82551": ("8086:1209", ""),
    "virtio": ("1af4:1000", "virtio-pci"),
    "virtio-transitional": ("1af4:1000", "virtio-pci"),
    "virtio-non-transitional": ("1af4:1041", "virtio-pci"),
}

SOUNDS = {
    "es1370": ("1274:5000", "snd_ens1370"),
    "ac97": ("8086:2415", "snd_intel8x0"),
    "ich6": ("8086:2668", "snd_hda_intel"),
}

VIRTIO_SERIAL = {"virtio": "1003", "virtio-transitional": "1003", "virtio-non-transitional": "1043"}


def _usb() -> dict[str, Sight]:
    rows: dict[str, Sight] = {}
    for index, (model, (name, driver)) in enumerate(USB.items()):
        xml = f"<controller type='usb' index='{index}' model='{model}'/>"
        rows[f"usb-{model}"] = sight(xml, f"PCI .* id={name} class=0c03.. .* driver={driver} at={{at}}")
        tablet = f"<input type='tablet' bus='usb'><address type='usb' bus='{index}' port='1'/></input>"
        rows[f"tablet-{model}"] = sight(
            tablet, "USB .* id=0627:0001 .* at={at}", "INPUT .* name=QEMU_QEMU_USB_Tablet at={at}/.*"
        )
    for model, device in ICH9.items():
        xml = f"<controller type='usb' index='{len(USB)}' model='{model}'>"
        master = "" if model == "ich9-ehci1" else f"<master startport='{2 * int(model[-1]) - 2}'/>"
        rows[f"usb-{model}"] = sight(f"{xml}{master}</controller>", f"PCI .* id=8086:{device} .* at={{at}}")
    return rows


def _scsi() -> dict[str, Sight]:
    rows: dict[str, Sight] = {}
    for index, (model, (name, driver)) in enumerate(SCSI.items()):
        xml = f"<controller type='scsi' index='{index}' model='{model}'/>"
        rows[f"scsi-{model}"] = sight(xml, f"PCI .* id={name} .* driver={driver} at={{at}}")
        letter = chr(ord("a") + index)
        number = "unit" if model in NARROW else "target"
        where = f"<address type='drive' controller='{index}' bus='0' {number}='1'/>"
        if model not in WITH_DISK:
            continue
        disk = (
            f"<disk><source file='{{dir}}/1M'/><target dev='sd{letter}' bus='scsi'/><readonly/>{where}</disk>"
        )
        rows[f"disk-{model}"] = sight(
            disk, r"BLOCK sd.* size=2048 ro=1 .* vendor=QEMU model=QEMU_HARDDISK .* at={at}/block/sd\w"
        )
    return rows


def _cards() -> dict[str, Sight]:
    rows: dict[str, Sight] = {}
    for number, (model, (name, driver)) in enumerate(CARDS.items()):
        mac = f"52:54:00:00:01:{number:02x}"
        net = f"NET .* mac={mac} .* at={{at}}/(virtio.*/)?net/\\w+"
        xml = f"<interface type='user'><mac address='{mac}'/><model type='{model}'/></interface>"
        says = [f"PCI .* id={name} class=02.* driver={driver} at={{at}}", *([net] if driver else [])]
        rows[f"interface-{model}"] = sight(xml, *says)
    return rows


PC: dict[str, Sight] = {
    **_usb(),
    **_scsi(),
    **_cards(),
    **{
        f"sound-{model}": sight(
            f"<sound model='{model}'/>",
            f"PCI .* id={name} class=04.* at={{at}}",
            f"SOUND .* driver={driver} at={{at}}/.*",
        )
        for model, (name, driver) in SOUNDS.items()
    },
    **{
        f"virtio-serial-{model}": sight(
            f"<controller type='virtio-serial' index='{index}' model='{model}'/>",
            f"PCI .* id=1af4:{device} .* at={{at}}",
        )
        for index, (model, device) in enumerate(VIRTIO_SERIAL.items())
    },
    "channel": sight(
        "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>",
        "PORT .* name=org.example.0 at={at}",
    ),
    "channel-agent": sight(
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        "PORT .* name=org.qemu.guest_agent.0 at={at}",
    ),
    "console-virtio": sight(
        "<console type='pty'><target type='virtio' port='1'/></console>", r"PORT vport\d+p0 name= at=.*"
    ),
    "sound-sb16": sight("<sound model='sb16'/>", "SB16 reset answers=aa"),
    "sound-pcspk": sight("<sound model='pcspk'/>", "PLATFORM pcspkr"),
    "video-cirrus": sight(
        "<video><model type='cirrus' primary='yes'/></video>", "PCI .* id=1013:00b8 class=030000 .* at={at}"
    ),
    "video-qxl": sight("<video><model type='qxl'/></video>", "PCI .* id=1b36:0100 class=0380.. .* at={at}"),
    "ide": sight("<controller type='ide' model='piix3'/>", "PCI .* id=8086:7010 .* driver=ata_piix at={at}"),
    "disk-ide": sight(
        "<disk><source file='{dir}/2M'/><target dev='hda' bus='ide'/><serial>IDE-1</serial></disk>",
        r"BLOCK sd\w port=1 size=4096 ro=0 .* serial=IDE-1 .* model=QEMU_HARDDISK .* at={at}/block/sd\w",
    ),
    "cdrom-ide": sight(
        "<disk device='cdrom'><source file='{dir}/3M'/><target dev='hdd' bus='ide'/></disk>",
        r"BLOCK sr\d port=2 size=6144 .* removable=1 .* model=QEMU_DVD-ROM .* at={at}/block/sr\d",
    ),
    "floppy": sight(
        "<disk device='floppy'><source file='{dir}/1440K'/><target dev='fda' bus='fdc'/></disk>",
        "BLOCK fd0 .* size=2880 .* removable=1 .* at={at}/block/fd0",
        "PNP .* id=PNP0700",
    ),
    "floppy-empty": sight(
        "<disk device='floppy'><target dev='fdb'/></disk>", "BLOCK fd1 .* at={at}/block/fd1"
    ),
    "sata": sight("<controller type='sata' index='0'/>", "PCI .* id=8086:2922 .* driver=ahci at={at}"),
    "ccid": sight(
        "<controller type='ccid' index='0'/>", "USB .* id=08e6:4433 product=QEMU_USB_CCID .* at={at}"
    ),
    "pci-bridge": sight(
        "<controller type='pci' index='1' model='pci-bridge'/>", "PCI .* id=1b36:0001 class=0604.. .* at={at}"
    ),
    "serial-isa": sight(
        "<serial type='pty'><target type='isa-serial' port='0'/></serial>", "TTY ttyS0 type=4 port=0x3F8 .*"
    ),
    "serial-isa-second": sight(
        "<serial type='null'><target type='isa-serial' port='1'/></serial>", "TTY ttyS1 type=4 port=0x2F8 .*"
    ),
    "serial-pci": sight(
        "<serial type='null'><target type='pci-serial' port='2'/></serial>",
        r"TTY ttyS\d+ type=4 .* at={at}/.*",
        "PCI .* id=1b36:0002 class=0700.. .* driver=serial at={at}",
    ),
    "serial-usb": sight(
        "<serial type='file'><source path='{dir}/port'/><target type='usb-serial' port='3'/></serial>",
        "USB .* id=0403:6001 .* at={at}",
        r"TTY ttyUSB0 .* at={at}/.*",
    ),
    "parallel": sight("<parallel type='null'/>", "PNP .* id=PNP0400", "CLASS parport0 .*"),
    "watchdog-ib700": sight("<watchdog model='ib700' action='none'/>", "WATCHDOG misc driver=IB700 WDT"),
    "panic-isa": sight("<panic model='isa'/>", "ACPI .* id=QEMU0001 status=15"),
    "memballoon": sight(
        "<memballoon model='virtio'/>",
        "PCI .* id=1af4:1002 .* at={at}",
        "VIRTIO .* id=0005 driver=virtio_balloon at={at}/.*",
    ),
    "rng": sight(
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "PCI .* id=1af4:1005 .* at={at}",
        "RNG .* available=.*virtio_rng.0.*",
    ),
    "tpm-tis": sight(
        "<tpm model='tpm-tis'><backend type='emulator' version='1.2'/></tpm>", "CLASS tpm0 version=1 .*"
    ),
    "keyboard-ps2": sight(
        "<input type='keyboard' bus='ps2'/>", "INPUT .* name=AT_Translated_Set_2_keyboard .*"
    ),
    "mouse-ps2": sight("<input type='mouse' bus='ps2'/>", "PNP .* id=PNP0f13"),
    "hub": sight(
        "<hub type='usb'><address type='usb' bus='5' port='2'/></hub>",
        "USB .* id=0409:55aa product=QEMU_USB_Hub .* at={at}",
    ),
    "mouse-behind-a-hub": sight(
        "<input type='mouse' bus='usb'><address type='usb' bus='5' port='2.3'/></input>",
        "USB .* id=0627:0001 product=QEMU_USB_Mouse .* at={at}",
    ),
}
