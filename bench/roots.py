"""What a root does as a whole: open and close, a driver's restart, the adoption of guests."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import embervirt as libvirt
from bench.figure import Figure, at_most, medians, milliseconds, over_floor
from bench.guests import SMALL
from embervirt.actors.messages import Numbered

AGENT = """
import sys
import embervirt as libvirt
conn = libvirt.open(sys.argv[1])
for number in range(20):
    conn.createXML(sys.argv[2].replace("bench", f"guest{number}"))
print("up", flush=True)
sys.stdin.read()
"""


def figures(directory: Path) -> Iterator[Figure]:
    """Each with roots of its own."""
    crashed, plain = medians(_first_crash(directory / f"restart-{n}") for n in range(5))
    yield over_floor("define after a crash / without one", crashed, plain, 10)
    yield _adoption(directory)
    uri, times = f"secret:///embed?root={directory}/cycles", 100
    spent = milliseconds(lambda: [libvirt.open(uri).close() for _ in range(times)]) / times
    yield at_most("open and close a root", spent, None, "ms")


def _first_crash(root: Path) -> tuple[float, float]:
    """A call to a driver's actor right after its first crash, and the same call without a crash."""
    with libvirt.open(f"qemu:///embed?root={root}") as conn, conn.root.subscribe() as events:
        xml = conn.defineXML(SMALL).XMLDesc()
        plain = milliseconds(lambda: conn.defineXML(xml))

        def crash_and_call() -> None:
            conn.root.crash("drivers/qemu")
            while isinstance(received := events.get(), Numbered) and "ChildFailed" not in received.kind:
                pass
            conn.defineXML(xml)

        return milliseconds(crash_and_call), plain


def _adoption(directory: Path) -> Figure:
    """Twenty guests whose agent was killed: the next open, against one of the same root without guests."""
    uri = f"qemu:///embed?root={directory}/adopted"
    spent = [_adopted(uri) for _ in range(3)]
    floor = min(milliseconds(lambda: libvirt.open(uri).close()) for _ in range(5))
    return at_most("adopt 20 guests / open without", statistics.median(spent), 250, "ms", floor)


def _adopted(uri: str) -> float:
    argv = [sys.executable, "-c", AGENT, uri, SMALL]
    agent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert agent.stdout is not None and agent.stdout.readline() == b"up\n"
    agent.kill()
    agent.communicate()
    opened: list[libvirt.virConnect] = []
    spent = milliseconds(lambda: opened.append(libvirt.open(uri)))
    with opened[0] as conn:
        for domain in conn.listAllDomains():
            domain.destroy()
    return spent
