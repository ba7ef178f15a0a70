"""An operation whose agent dies at any of its marks is completed or undone by the next, or the one after."""

from __future__ import annotations

from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.testing import FakeQemu, guest_shuts_down
from guest.calls import nothing_is_left
from guest.domain import SECONDS, uri, wait_until
from guest.host import Host

RUNNING, PAUSED, OFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF

DIES = """
from embervirt import faults
conn = libvirt.open(uri(ROOT), settings={{"qemu.emulator": {emulator!r}}})
XML = small("a", more="<on_poweroff>restart</on_poweroff>")
domain = conn.lookupByName("a") if conn.listAllDomains() else conn.defineXML(XML)
if {what!r} != "start":
    domain.create()
wanted = {{"start": domain.create, "end": lambda: domain.end(0.2), "destroy": domain.destroy}}
wanted |= {{"suspend": domain.suspend, "restart": lambda: (say(powers="off"), signal.pause())}}
where = {{"path": "*/operations.jsonl"}}
with faults.inject("file.written", faults.kill(), after={after}, where=where):
    wanted[{what!r}]()
"""
RESOLVES = """
from embervirt import faults
where = {{"path": "*/operations.jsonl"}}
with faults.inject("file.written", faults.kill(), after=1, where=where):
    conn = libvirt.open(uri(ROOT), settings={{"qemu.emulator": {emulator!r}}})
    wait_until(lambda: conn.root.journal.open() == [])
    wait_until(lambda: all(each.state()[0] != libvirt.VIR_DOMAIN_SHUTDOWN for each in conn.listAllDomains()))
"""
"""The first write is that of the journal as it was found; then comes the first result."""

CUTS = [
    ("start", 0, OFF, None),  # before the intent
    ("start", 1, OFF, "undone"),  # spawned
    ("start", 2, RUNNING, "done"),  # recorded
    ("start", 3, RUNNING, "done"),  # it runs
    ("suspend", 0, RUNNING, None),
    ("suspend", 1, PAUSED, "done"),  # stop was answered
    ("destroy", 0, RUNNING, None),
    ("destroy", 1, OFF, "done"),  # before SIGTERM is pressed
    ("destroy", 2, OFF, "done"),  # it has ended
    ("end", 0, RUNNING, None),
    ("end", 1, OFF, "done"),  # before ACPI
    ("end", 2, OFF, "done"),  # ACPI, in vain, before quit
    ("end", 3, OFF, "done"),  # it has ended
    ("restart", 0, RUNNING, "done"),  # powered off, nothing begun: the next agent begins
    ("restart", 1, RUNNING, "done"),  # it was reset
    ("restart", 2, RUNNING, "done"),  # it runs
]


@pytest.mark.parametrize("again", [False, True], ids=["once", "and-again"])
@pytest.mark.parametrize(("what", "after", "state", "outcome"), CUTS)
def test_h07_an_operation_is_completed_or_undone_whenever_its_agent_dies(
    embervirt_root: Path,
    fake_qemu: FakeQemu,
    what: str,
    after: int,
    state: int,
    outcome: str | None,
    again: bool,
) -> None:
    """Also when the next one dies in the middle of that; never two processes, and nothing is left behind."""
    emulator = str(fake_qemu.emulator)
    die(Host(embervirt_root, DIES.format(emulator=emulator, what=what, after=after)), fake_qemu, what)
    if again:
        host = Host(embervirt_root, RESOLVES.format(emulator=emulator))
        assert host.process.wait(SECONDS) in (0, -9), host.process.communicate()
        host.kill()
    with libvirt.open(uri(embervirt_root), settings={"qemu.emulator": emulator}) as conn:
        wait_until(lambda: conn.root.journal.open() == [])
        domain = conn.lookupByName("a")
        wait_until(lambda: domain.state()[0] == state)
        assert len(fake_qemu.running()) == (state != OFF)
        found = [each.state for each in conn.root.journal.values() if each.what == what]
        assert found == ([] if outcome is None else [outcome])
        if state == OFF:
            logs = {"a.log"} if fake_qemu.log("spawn", "a") else set()
            assert nothing_is_left(conn, embervirt_root, before=logs)
            domain.create()
        domain.destroy()
        assert (conn.root.journal.open(), fake_qemu.running()) == ([], [])
        assert nothing_is_left(conn, embervirt_root, before={"a.log"})


def die(host: Host, fake: FakeQemu, what: str) -> None:
    """By SIGKILL, at that mark."""
    if what == "restart":
        host.hear()
        fake.now(guest_shuts_down())
    assert host.process.wait(SECONDS) == -9, host.process.communicate()
    host.kill()
