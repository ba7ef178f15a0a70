"""Linux in a guest sees every device of the schema, of every model, at the place that its address says.

A device is a row of ``tables``. All guests start at once; each is asked for its ``report`` once.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import Console, kill, qemus, uri
from guest.image import READY, ensure, ensure_full
from guest.sights import fitting, missing
from integration.devices.tables.guests import GUESTS
from integration.devices.test_ports import ask, live

pytestmark = pytest.mark.timeout(400)

BOOT = 200.0
"""Seconds for a boot and a report, when all of them share two slow cores: far more than they need."""

SIZES = ("1440K", *(f"{number}M" for number in range(1, 13)))


class Seen:
    """A guest that has run: its live devices and its report."""

    def __init__(self, domain: libvirt.virDomain, root: Path, command: str) -> None:
        console = Console(root, domain.name())
        console.until(READY, seconds=BOOT)
        self.devices = live(domain)
        tty = self.devices.find("serial/source")
        assert tty is not None
        self.report = ask(console, tty.get("path", ""), command, seconds=BOOT).replace("\r", "")
        domain.destroy()


def images(folder: Path) -> Path:
    """One of each size, for a guest of its own."""
    folder.mkdir()
    for size in SIZES:
        subprocess.run(["truncate", "-s", size, folder / size], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "top.qcow2", "7M"], check=True)
    return folder


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """What each guest reports."""
    ensure()
    ensure_full()
    top = tmp_path_factory.mktemp("seen")
    root, files = top / "root", {name: images(top / name) for name in GUESTS}
    with libvirt.open(uri(root)) as conn, ThreadPoolExecutor() as threads:
        try:
            domains = [conn.defineXML(guest.xml(name, str(files[name]))) for name, guest in GUESTS.items()]
            for domain in domains:
                domain.create()
            commands = ["report --load" if guest.full else "report" for guest in GUESTS.values()]
            reports = threads.map(Seen, domains, [root] * len(domains), commands)
            yield dict(zip(GUESTS, reports, strict=True))
        finally:
            for pid in qemus(root):
                kill(pid)


@pytest.mark.parametrize("guest", GUESTS)
def test_linux_sees_its_machine(seen: dict[str, Seen], guest: str) -> None:
    """Firmware, SMBIOS, blobs, NUMA nodes, topology and features of the CPU, the clock."""
    report = seen[guest].report
    lost = [pattern for pattern in GUESTS[guest].says if not fitting(pattern, report)]
    assert not lost, _alike(lost, report)


@pytest.mark.parametrize(
    ("guest", "name"), [(key, name) for key, guest in GUESTS.items() for name in guest.devices]
)
def test_linux_sees(seen: dict[str, Seen], guest: str, name: str) -> None:
    """The device is where its address says, by the name that it should have, with a driver bound to it."""
    found = seen[guest]
    lost = missing(GUESTS[guest].devices[name], name, found.devices, found.report)
    assert not lost, _alike(lost, found.report)


def _alike(lost: list[str], report: str) -> str:
    kinds = {pattern.partition(" ")[0] for pattern in lost}
    alike = [line for line in report.splitlines() if line.partition(" ")[0] in kinds]
    return "\n".join(["no such line:", *lost, "but:", *alike])
