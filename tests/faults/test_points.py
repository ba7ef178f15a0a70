"""O04: every fault point is hit, alone and with the death of the agent, and no invariant breaks.

One pass of each point, the middle one of the scenario; ``FAULT_PASSES=all`` takes every pass of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.faults import POINTS, VARIABLE
from faults import scenario
from guest.domain import kill, pid_of, qemus, uri, wait_until

SCENARIO = Path(scenario.__file__)
SECONDS = 120
EVERY = os.environ.get("FAULT_PASSES") == "all"
ALONE = [
    *(f"{name}=crash" for name in POINTS),
    *(f"{name}=error:ENOSPC" for name, point in POINTS.items() if "error" in point.effects),
]
DEATHS = [f"{name}=kill" for name in POINTS]


def run(root: Path, injected: str = "") -> subprocess.CompletedProcess[str]:
    """The scenario in a process of its own."""
    return subprocess.run(
        [sys.executable, str(SCENARIO), str(root)],
        env={**os.environ, VARIABLE: injected, "PYTHONPATH": str(SCENARIO.parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often the scenario passes each point when nothing goes wrong."""
    with root_in(tmp_path_factory) as root:
        done = run(root)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_o04_every_point_is_passed(passed: dict[str, int]) -> None:
    """One that no test could reach would be a promise that nobody checked. Only root gives files away."""
    assert set(passed) == set(POINTS) - (set() if os.geteuid() == 0 else {"file.given"})


@pytest.mark.parametrize("fault", ALONE)
def test_o04_every_point_alone_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, passed: dict[str, int], fault: str
) -> None:
    """A system call fails, or a bug shows: the program goes on to its end, and the root is whole."""
    point = fault.partition("=")[0]
    for at in chosen(passed[point]):
        with root_in(tmp_path_factory) as root:
            done = run(root, f"{fault}@{at}")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout.splitlines()[-1])[point] >= at
            check(root)


@pytest.mark.parametrize("fault", DEATHS)
def test_o04_every_point_with_the_death_of_the_agent_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, passed: dict[str, int], fault: str
) -> None:
    """SIGKILL there and then; the next agent finds everything old or new, and the guest as it runs."""
    for at in chosen(passed[fault.partition("=")[0]]):
        with root_in(tmp_path_factory) as root:
            assert run(root, f"{fault}@{at}").returncode == -9
            check(root)


def chosen(passes: int) -> Iterable[int]:
    """Which passes of a point to look at, from 1 on."""
    return range(1, passes + 1) if EVERY else [(passes + 1) // 2]


@contextmanager
def root_in(folders: pytest.TempPathFactory) -> Iterator[Path]:
    """A root of its own; whatever runs in it in the end is killed."""
    root = folders.mktemp("root")
    try:
        yield root
    finally:
        for pid in qemus(root):
            kill(pid)


def check(root: Path) -> None:
    """The invariants, in a new agent."""
    before = qemus(root)
    with libvirt.open(uri(root)) as conn:
        check_guest(conn, root, before)
        check_definitions(conn)
        check_secret(conn)
        wait_until(lambda: conn.root.journal.open() == [])
        check_usable(conn)
    check_files(root)
    check_events(root)


def check_guest(conn: libvirt.virConnect, root: Path, before: list[int]) -> None:
    """At most one QEMU; one that runs is a known guest, and the process that the dead agent started."""

    def settled() -> bool:
        active = [domain.name() for domain in conn.listAllDomains() if domain.isActive()]
        try:
            return {pid_of(root, name) for name in active} == set(qemus(root))
        except FileNotFoundError:
            return False  # not recorded yet, or it has just ended

    wait_until(settled)
    running = qemus(root)
    assert len(running) <= 1
    assert set(running) <= set(before)


def check_definitions(conn: libvirt.virConnect) -> None:
    """Each is an old or a new one."""
    for domain in conn.listAllDomains():
        assert domain.name() in scenario.NAMES
        memory = ET.fromstring(domain.XMLDesc()).findtext("memory")
        assert memory in ("32768", "49152")


def check_secret(conn: libvirt.virConnect) -> None:
    """None, one without a value, or one with its first or second."""
    for secret in conn.listAllSecrets():
        try:
            assert secret.value() in scenario.VALUES
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_NO_SECRET, str(error)


def check_usable(conn: libvirt.virConnect) -> None:
    """Everything can be done that could be done before."""
    scenario.secret(conn)
    for domain in conn.listAllDomains():
        if domain.isActive():
            domain.destroy()
    scenario.guest(conn)
    conn.lookupByName(scenario.NAMES[0]).destroy()


def check_files(root: Path) -> None:
    """Nothing temporary is left, and every XML file is whole."""
    left = [path for path in root.rglob("*") if path.suffix in (".tmp", ".new")]
    assert left == []
    assert list((root / "lib/qemu").glob("domain-*")) == []
    for path in (root / "etc").rglob("*.xml"):
        ET.parse(path)


def check_events(root: Path) -> None:
    """Their numbers have no gap."""
    lines = (root / "lib/embervirt/events.jsonl").read_bytes().splitlines()
    numbers = [json.loads(line)["seq"] for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_bug_while_an_emulator_is_probed_leaves_nothing(tmp_path: Path) -> None:
    """Found by O04: its monitor was left half open, and the root waited for it without end when it closed."""
    with libvirt.open(uri(tmp_path)) as conn:
        bug = faults.inject("qmp.sent", faults.crash(), where={"command": "quit"})
        with bug, pytest.raises(faults.Injected):
            conn.defineXML(scenario.xml("a", 32))
        conn.defineXML(scenario.xml("a", 32))
