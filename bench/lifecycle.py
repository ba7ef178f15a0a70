"""Start and end of guests: against QEMU by hand, against libvirt, one by one and many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import embervirt as libvirt
from bench.figure import Figure, at_most, both, medians, milliseconds, over_floor, times_faster, times_floor
from bench.floor import ByHand
from bench.guests import ordinary
from bench.peer import libvirt9

ROUNDS = 15
GUESTS, AT_A_TIME = 20, 8


def figures(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    """In turn, so that a busy machine slows all alike."""
    yield from _alone(conn, directory)
    yield _together(conn, directory)


def _alone(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    xml = ordinary("bench", directory)
    domain = conn.defineXML(xml)
    domain.create()
    hand = ByHand.of(domain, conn, directory)
    domain.destroy()
    with libvirt9(directory / "libvirt", xml) as peer:
        rows = []
        for _ in range(ROUNDS):
            started = both(domain.create)
            ours = [milliseconds(step) for step in (domain.destroy, hand.start, hand.quit)]
            rows.append((*started, *ours, *(peer.lap() if not peer.why else (0.0, 0.0))))
        create, cpu, destroy, floor_create, floor_destroy, peer_create, peer_destroy = medians(rows)
        yield times_floor("create / same argv by hand", create, floor_create, 1.5)
        yield at_most("create, time of the CPU without QEMU", cpu, None, "ms")
        yield over_floor("destroy / quit by hand", destroy, floor_destroy, 10)
        if peer.why:
            yield Figure("create / libvirt", f"{create:.1f}", f"skipped: {peer.why}")
            return
        yield times_faster("create / libvirt", create, peer_create, 3)
        yield times_faster("destroy / libvirt", destroy, peer_destroy, 1)


def _together(conn: libvirt.virConnect, directory: Path) -> Figure:
    domains = [conn.defineXML(ordinary(f"many{number}", directory)) for number in range(GUESTS)]
    for domain in domains:
        domain.create()
    hands = [ByHand.of(domain, conn, directory) for domain in domains]
    for domain in domains:
        domain.destroy()
    rows = []
    for _ in range(3):
        spent = milliseconds(lambda: _all(domain.create for domain in domains))
        _all(domain.destroy for domain in domains)
        rows.append((spent, milliseconds(lambda: _all(hand.start for hand in hands))))
        _all(hand.quit for hand in hands)
    ours, floor = medians(rows)
    return times_floor(f"{GUESTS} guests, {AT_A_TIME} at a time", ours, floor, 1.5)


def _all(steps: Iterable[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(step) for step in steps]:
            done.result()
