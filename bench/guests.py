"""The guests that are measured: an ordinary q35 with a disk, a card, a console and what comes by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

SMALL = """
<domain type='qemu'><name>bench</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><console type='pty'/></devices></domain>"""

ORDINARY = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/><apic/></features>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/></disk>
    <interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
    <console type='pty'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices></domain>"""


def ordinary(name: str, directory: Path) -> str:
    """Its XML, with a disk in ``directory``, which is made."""
    disk = directory / f"{name}.qcow2"
    if not disk.exists():
        command = ["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "64M"]
        subprocess.run(command, check=True)
    return ORDINARY.format(name=name, disk=disk)
