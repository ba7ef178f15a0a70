"""What stands in a ``q35``: PCI Express with ports, switches and bridges, SATA, virtio."""

# ruff: noqa: E501 - a table

from __future__ import annotations

from guest.sights import Sight, sight

PCI = {
    "pcie-root-port": (1, "", "1b36:000c"),
    "ioh3420": (2, "<model name='ioh3420'/>", "8086:3420"),
    "pcie-switch-upstream-port": (3, "<address type='pci' bus='1'/>", "104c:8232"),
    "pcie-switch-downstream-port": (4, "<address type='pci' bus='3'/>", "104c:8233"),
    "dmi-to-pci-bridge": (5, "", "8086:244e"),
    "pci-bridge": (6, "<address type='pci' bus='5' slot='2'/>", "1b36:0001"),
    "pcie-to-pci-bridge": (8, "<address type='pci' bus='7'/>", "1b36:000e"),
}
"""Index, what else the XML says, the guest's name."""

VIRTIO_INPUT = {"mouse": "Mouse", "keyboard": "Keyboard", "tablet": "Tablet"}


def _disk(name: str, dev: str, bus: str, inner: str = "", device: str = "disk") -> str:
    return (
        f"<disk device='{device}'><source file='{{dir}}/{name}'/>"
        f"<target dev='{dev}' bus='{bus}'/>{inner}</disk>"
    )


def _on(bus: int, slot: int = 0) -> str:
    return f"<address type='pci' bus='{bus}' slot='{slot}'/>"


Q35: dict[str, Sight] = {
    "pci-port-of-a-bridge": sight(
        "<controller type='pci' index='7' model='pcie-root-port'/>", "PCI .* id=1b36:000c .* at={at}"
    ),
    **{
        f"pci-{model}": sight(
            f"<controller type='pci' index='{index}' model='{model.replace('ioh3420', 'pcie-root-port')}'>"
            f"{more}</controller>",
            f"PCI .* id={name} class=0604.. .* at={{at}}",
        )
        for model, (index, more, name) in PCI.items()
    },
    "sata": sight("<controller type='sata' index='0'/>", "PCI .* id=8086:2922 .* driver=ahci at={at}"),
    "disk-sata": sight(
        _disk("2M", "sdb", "sata", "<serial>SATA-1</serial>"),
        r"BLOCK sd\w port=2 size=4096 .* serial=SATA-1 .* at={at}/block/sd\w",
    ),
    "cdrom-sata": sight(
        _disk("3M", "sda", "sata", device="cdrom"),
        r"BLOCK sr\d port=1 size=6144 .* model=QEMU_DVD-ROM .* at={at}/block/sr\d",
    ),
    "disk-virtio": sight(
        _disk("4M", "vda", "virtio", "<readonly/><serial>first</serial>"),
        r"BLOCK vd\w .* size=8192 ro=1 .* serial=first .* at={at}/virtio\d+/block/vd\w",
        "PCI .* id=1af4:1042 .* at={at}",
    ),
    "disk-virtio-blocks": sight(
        _disk("5M", "vdb", "virtio", "<blockio logical_block_size='4096' physical_block_size='4096'/>"),
        r"BLOCK vd\w .* size=10240 ro=0 .* block=4096/4096 at={at}/virtio\d+/block/vd\w",
    ),
    "disk-virtio-behind-a-switch": sight(
        _disk("6M", "vdc", "virtio", _on(4)), r"BLOCK vd\w .* size=12288 .* at={at}/virtio\d+/block/vd\w"
    ),
    "disk-virtio-on-an-ioh3420": sight(
        _disk("1M", "vdd", "virtio", _on(2)), r"BLOCK vd\w .* size=2048 .* at={at}/virtio\d+/block/vd\w"
    ),
    "disk-qcow2": sight(
        "<disk><driver name='qemu' type='qcow2'/><source file='{dir}/top.qcow2'/><target dev='vde'/></disk>",
        r"BLOCK vd\w .* size=14336 .* at={at}/virtio\d+/block/vd\w",
    ),
    "scsi-virtio": sight(
        "<controller type='scsi' index='0' model='virtio-scsi'/>", "PCI .* id=1af4:1048 .* at={at}"
    ),
    "disk-scsi": sight(
        _disk("8M", "sdc", "scsi", "<serial>SCSI-1</serial><address type='drive' target='2' unit='3'/>"),
        r"BLOCK sd\w .* size=16384 .* serial=SCSI-1 .* at={at}/block/sd\w",
    ),
    "disk-scsi-names": sight(
        _disk(
            "9M", "sdd", "scsi", "<vendor>EMBER</vendor><product>VIRT</product><wwn>5000c50015ea71ad</wwn>"
        ),
        r"BLOCK sd\w .* size=18432 .* vendor=EMBER model=VIRT wwid=naa.5000c50015ea71ad .* at={at}/block/sd\w",
    ),
    "disk-scsi-solid": sight(
        "<disk><source file='{dir}/10M'/><target dev='sde' bus='scsi' rotation_rate='1'/></disk>",
        r"BLOCK sd\w .* size=20480 .* turns=0 .* at={at}/block/sd\w",
    ),
    "cdrom-scsi": sight(
        _disk("11M", "sdf", "scsi", device="cdrom"), r"BLOCK sr\d .* size=22528 .* at={at}/block/sr\d"
    ),
    "usb": sight(
        "<controller type='usb' index='0' model='qemu-xhci' ports='15'/>",
        "PCI .* id=1b36:000d .* driver=xhci_hcd at={at}",
    ),
    "disk-usb": sight(
        "<disk><source file='{dir}/12M'/><target dev='sdg' bus='usb' removable='on'/></disk>",
        "USB .* id=46f4:0001 product=QEMU_USB_HARDDRIVE .* at={at}",
        r"BLOCK sd\w .* size=24576 .* removable=1 .* at={at}/.*/block/sd\w",
    ),
    "tablet-usb": sight("<input type='tablet' bus='usb'/>", "INPUT .* name=QEMU_QEMU_USB_Tablet at={at}/.*"),
    "mouse-usb": sight("<input type='mouse' bus='usb'/>", "INPUT .* name=QEMU_QEMU_USB_Mouse at={at}/.*"),
    "keyboard-usb": sight(
        "<input type='keyboard' bus='usb'/>", "INPUT .* name=QEMU_QEMU_USB_Keyboard at={at}/.*"
    ),
    **{
        f"{type_}-virtio": sight(
            f"<input type='{type_}' bus='virtio'/>",
            "PCI .* id=1af4:1052 .* at={at}",
            f"INPUT .* name=QEMU_Virtio_{name} at={{at}}/.*",
        )
        for type_, name in VIRTIO_INPUT.items()
    },
    "interface-e1000e": sight(
        "<interface type='user'><mac address='52:54:00:00:02:01'/><model type='e1000e'/></interface>",
        "PCI .* id=8086:10d3 .* at={at}",
        "NET .* mac={mac} .* driver=e1000e at={at}/net/.*",
    ),
    "interface-vmxnet3": sight(
        "<interface type='user'><mac address='52:54:00:00:02:02'/><model type='vmxnet3'/></interface>",
        "PCI .* id=15ad:07b0 .* at={at}",
        "NET .* mac={mac} .* driver=vmxnet3 at={at}/net/.*",
    ),
    "interface-virtio": sight(
        "<interface type='user'><mac address='52:54:00:00:02:03'/><model type='virtio'/>"
        "<link state='down'/><acpi index='7'/></interface>",
        "PCI .* id=1af4:1041 .* at={at}",
        "NET .* mac={mac} carrier=0 .* index=7 .* at={at}/virtio.*/net/.*",
    ),
    "interface-usb-net": sight(
        "<interface type='user'><mac address='52:54:00:00:02:04'/><model type='usb-net'/>"
        "<address type='usb' bus='0' port='9'/></interface>",
        "USB .* id=0525:a4a2 .* at={at}",
    ),
    "sound-ich9": sight(
        "<sound model='ich9'><codec type='duplex'/><codec type='micro'/><codec type='output'/></sound>",
        "PCI .* id=8086:293e .* at={at}",
        "CODEC .*codec#2 name=.*",
        "SOUND .* driver=snd_hda_intel at={at}/.*",
    ),
    "sound-usb": sight(
        "<sound model='usb'/>",
        "USB .* id=46f4:0002 product=QEMU_USB_Audio .* at={at}",
        "SOUND .* driver=snd-usb-audio at={at}/.*",
    ),
    "video-virtio": sight(
        "<video><model type='virtio' primary='yes'/></video>", "PCI .* id=1af4:1050 class=0300.. .* at={at}"
    ),
    "video-qxl": sight("<video><model type='qxl'/></video>", "PCI .* id=1b36:0100 class=0380.. .* at={at}"),
    "watchdog-i6300esb": sight(
        "<watchdog model='i6300esb' action='none'/>",
        "PCI .* id=8086:25ab .* at={at}",
        "WATCHDOG .* identity=i6300ESB_timer .*",
    ),
    "serial": sight("<serial type='pty'/>", "TTY ttyS0 type=4 port=0x3F8 .*"),
    "channel": sight(
        "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>",
        "PORT .* name=org.example.0 at={at}",
    ),
    "memballoon": sight(
        "<memballoon model='virtio' autodeflate='on' freePageReporting='on'/>",
        "PCI .* id=1af4:1045 .* at={at}",
    ),
    "rng": sight(
        "<rng model='virtio'><backend model='builtin'/></rng>",
        "PCI .* id=1af4:1044 .* at={at}",
        "RNG .* available=.*virtio_rng.0.*",
    ),
    "tpm-crb": sight(
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>", "CLASS tpm0 version=2 .*"
    ),
    "panic": sight("<panic model='isa'/>", "ACPI .* id=QEMU0001 status=15"),
}
