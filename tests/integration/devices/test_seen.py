"""Linux in a guest sees every device of the schema, of every model, at the place that its address says.

A device is a row of ``tables``. All guests start at once; each is asked for its ``report`` once.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

import embervirt as libvirt
from guest.domain import Console, kill, qemus, uri
from guest.image import CMDLINE, FULL_INITRD, FULL_KERNEL, READY, ensure_full
from guest.sights import Sight, missing
from integration.devices.tables.pc import PC
from integration.devices.tables.q35 import Q35
from integration.devices.test_ports import ask, live

BOOT = 120.0
"""Seconds for a boot and a report, if three of them share two slow cores: far more than they need."""

GUESTS: dict[str, tuple[str, dict[str, Sight]]] = {"pc": ("pc", PC), "q35": ("q35", Q35)}
"""Name: machine type and devices."""

SIZES = ("1M", "2M", "3M", "4M", "5M", "6M", "1440K")
XML = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{cmdline}</cmdline></os>
  <features><acpi/></features><devices>{devices}</devices></domain>"""


class Seen:
    """A guest that runs: its live devices and its report."""

    def __init__(self, domain: libvirt.virDomain, root: Path) -> None:
        console = Console(root, domain.name())
        console.until(READY, seconds=BOOT)
        self.devices = live(domain)
        tty = self.devices.find("serial/source")
        assert tty is not None
        found = ask(console, tty.get("path", ""), "report --load", seconds=BOOT)
        self.report = found.replace("\r", "")
        domain.destroy()


def define(conn: libvirt.virConnect, name: str, files: Path) -> libvirt.virDomain:
    """One of ``GUESTS``."""
    machine, rows = GUESTS[name]
    devices = "".join(row.named(key) for key, row in rows.items()).replace("{dir}", str(files))
    options = {"kernel": FULL_KERNEL, "initrd": FULL_INITRD, "cmdline": CMDLINE}
    return conn.defineXML(XML.format(name=name, machine=machine, devices=devices, **options))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """What each guest reports."""
    ensure_full()
    files = tmp_path_factory.mktemp("seen")
    for size in SIZES:
        subprocess.run(["truncate", "-s", size, files / size], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", files / "top.qcow2", "7M"], check=True)
    root = files / "root"
    with libvirt.open(uri(root)) as conn, ThreadPoolExecutor() as threads:
        domains = [define(conn, name, files) for name in GUESTS]
        try:
            for domain in domains:
                domain.create()
            reports = threads.map(lambda domain: Seen(domain, root), domains)
            yield dict(zip(GUESTS, reports, strict=True))
        finally:
            for pid in qemus(root):
                kill(pid)


@pytest.mark.parametrize(
    ("guest", "name"), [(guest, name) for guest, (_, rows) in GUESTS.items() for name in rows]
)
def test_linux_sees(seen: dict[str, Seen], guest: str, name: str) -> None:
    """The device is where its address says, by the name that it should have, with a driver bound to it."""
    found = seen[guest]
    lost = missing(GUESTS[guest][1][name], name, found.devices, found.report)
    kinds = {pattern.partition(" ")[0] for pattern in lost}
    alike = [line for line in found.report.splitlines() if line.partition(" ")[0] in kinds]
    assert not lost, "\n".join(["no such line:", *lost, "but:", *alike])
