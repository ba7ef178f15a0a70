"""The guests: machine, firmware, what is said of the whole domain, and the devices."""

from __future__ import annotations

from dataclasses import dataclass, field

from guest.image import CMDLINE, FULL_INITRD, FULL_KERNEL, INITRD, KERNEL
from guest.sights import Sight, sight
from integration.devices.tables.pc import PC
from integration.devices.tables.q35 import Q35

SYSINFO = """
<sysinfo type='smbios'>
  <bios><entry name='vendor'>Ember BIOS</entry></bios>
  <system><entry name='manufacturer'>Ember, Inc.</entry><entry name='product'>Virt</entry>
    <entry name='serial'>S-1</entry><entry name='family'>Coal</entry></system>
  <baseBoard><entry name='manufacturer'>Board maker</entry></baseBoard>
  <chassis><entry name='asset'>A-7</entry></chassis>
</sysinfo>
<sysinfo type='fwcfg'><entry name='opt/org.example/a'>hello</entry></sysinfo>
"""
CPU = """
<vcpu>4</vcpu>
<cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model>
  <feature policy='require' name='ssse3'/><feature policy='disable' name='svm'/>
  <topology sockets='2' cores='2' threads='1'/>
  <numa><cell id='0' cpus='0-1' memory='192' unit='MiB'/>
    <cell id='1' cpus='2-3' memory='96' unit='MiB'><distances><sibling id='0' value='31'/></distances></cell>
  </numa></cpu>
"""
CLOCK = """
<clock offset='absolute' start='1000000000'><timer name='hpet' present='no'/></clock>
<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>
"""
WHOLE = (
    "DMI bios_vendor value=Ember_BIOS",
    r"DMI sys_vendor value=Ember,_Inc\.",
    "DMI product_name value=Virt",
    "DMI product_serial value=S-1",
    "DMI product_family value=Coal",
    "DMI board_vendor value=Board_maker",
    "DMI chassis_asset_tag value=A-7",
    "FWCFG opt/org.example/a/raw value=hello",
    r"NODE node0 cpus=0-1 kib=\d+ distance=10_.*",
    r"NODE node1 cpus=2-3 kib=\d{5} distance=31_10",
    "CPU cpu1 package=0 die=. core=1 .*",
    "CPU cpu2 package=1 die=. core=0 .*",
    "CPUINFO flags value=(?=.* ssse3 )(?!.* svm ).*",
    "CLOCK clocksource available=(?!.*hpet).*",
    r"CLOCK seconds value=1000000\d\d\d",
    "SLEEP states value=.* disk=(?!.*platform).*",
)


@dataclass(frozen=True)
class Guest:
    """``says``: of the domain as a whole. ``full``: with the kernel that has all drivers."""

    machine: str
    devices: dict[str, Sight] = field(default_factory=dict)
    says: tuple[str, ...] = ("FIRMWARE bios",)
    more: str = "<vcpu>1</vcpu>"
    os: str = "<os>"
    of_os: str = ""
    full: bool = False

    def xml(self, name: str, files: str) -> str:
        """The domain, whose images are in that directory."""
        devices = "".join(row.named(key) for key, row in self.devices.items()).replace("{dir}", files)
        kernel, initrd = (FULL_KERNEL, FULL_INITRD) if self.full else (KERNEL, INITRD)
        return f"""
        <domain type='qemu'><name>{name}</name><memory unit='MiB'>288</memory>{self.more}
          {self.os}<type arch='x86_64' machine='{self.machine}'>hvm</type>{self.of_os}
            <kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{CMDLINE}</cmdline></os>
          <features><acpi/></features><devices>{devices}</devices></domain>"""


def _video(model: str, name: str) -> dict[str, Sight]:
    xml = f"<video><model type='{model}' primary='yes'/></video>"
    says = (f"PCI .* id={name} class=03.* at={{at}}",) if name else ()
    return {
        f"video-{model}": sight(xml, *says),
        "serial": sight("<serial type='pty'/>", "TTY ttyS0 type=4 .*"),
    }


EFI: dict[str, Sight] = {
    "serial": sight("<serial type='pty'/>", "TTY ttyS0 type=4 .*"),
    "pcie-expander-bus": sight(
        "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='200'/></controller>",
        "PCI .* id=1b36:000b .* at={at}",
    ),
    "port-of-an-expander-bus": sight(
        "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1'/></controller>",
        "PCI .* id=1b36:000c .* at={at}",
    ),
    "disk-on-an-expander-bus": sight(
        "<disk><source file='{dir}/1M'/><target dev='vda'/><address type='pci' bus='2'/></disk>",
        "PCI .* id=1af4:1042 .* at={at}",
    ),
    "video-ramfb": sight("<video><model type='ramfb'/></video>", "FWCFG etc/ramfb/raw .*"),
    "watchdog-itco": sight(
        "<watchdog model='itco' action='none'/>", "WATCHDOG .* identity=iTCO_wdt at=.*/0000:00:1f.0/.*"
    ),
}

GUESTS: dict[str, Guest] = {
    "pc": Guest("pc", PC, full=True),
    "q35": Guest(
        "q35",
        Q35,
        ("FIRMWARE bios", *WHOLE),
        more=SYSINFO + CPU + CLOCK,
        of_os="<smbios mode='sysinfo'/>",
        full=True,
    ),
    "efi": Guest("q35", EFI, ("FIRMWARE efi",), os="<os firmware='efi'>", full=True),
    "pc-6.2": Guest("pc-i440fx-6.2", _video("vga", "1234:1111")),
    "q35-5.2": Guest("pc-q35-5.2", _video("vmvga", "15ad:0405")),
    "pc-2.12": Guest("pc-i440fx-2.12", _video("bochs", "1234:1111")),
    "q35-2.10": Guest("pc-q35-2.10", _video("none", "")),
}
"""Two old ones of each kind of machine have the other graphics cards."""
