"""Definitions: one of them with its durable write, ten thousand of them, and a cold open with those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import embervirt as libvirt
from bench.figure import Figure, at_most, both, medians, milliseconds
from bench.floor import write_durably
from bench.guests import ordinary

SOME, MANY = 1_000, 10_000
LINEAR = 1.5
"""At most so many times the time for each, with ten times as many."""


def figures(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    """Of an ordinary guest."""
    yield from _one(conn, directory)
    yield from _many(directory)


def _one(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    xml = ordinary("defined", directory)
    content = conn.defineXML(xml).XMLDesc().encode()

    def lap(number: int) -> tuple[float, float, float]:
        text = xml.replace("<name>defined<", f"<name>defined{number}<")
        path = directory / f"by-hand{number}.xml"
        spent, cpu = both(lambda: conn.defineXML(text))
        return spent, cpu, milliseconds(lambda: write_durably(path, content))

    spent, cpu, floor = medians(map(lap, range(200)))
    yield at_most("define / its durable write by hand", spent, 1, "ms", floor)
    yield at_most("define, time of the CPU", cpu, None, "ms")


def _many(directory: Path) -> Iterator[Figure]:
    defined, opened = zip(*(_spent(directory, count) for count in (SOME, MANY)), strict=True)
    yield _linear("define", defined)
    yield _linear("cold open", opened)


def _linear(what: str, spent: tuple[float, float]) -> Figure:
    few, many = spent[0] / SOME, spent[1] / MANY
    ratio, title = many / few, f"{what}, {MANY} domains / {SOME}, ms each"
    return Figure(title, f"{many:.3f}", f"{few:.3f}", f"{ratio:.2f} x", f"{LINEAR:g} x", ratio <= LINEAR)


def _spent(directory: Path, count: int) -> tuple[float, float]:
    """Milliseconds to define so many, and to open a root with them and list them."""
    root, xml = directory / f"root-{count}", ordinary("one", directory)
    texts = [xml.replace("<name>one<", f"<uuid>{uuid4()}</uuid><name>d{n}<") for n in range(count)]

    def define() -> None:
        for text in texts:
            conn.defineXML(text)

    def cold_open() -> None:
        with libvirt.open(f"qemu:///embed?root={root}") as found:
            assert len(found.listAllDomains()) == count

    with libvirt.open(f"qemu:///embed?root={root}") as conn:
        defining = milliseconds(define)
    return defining, milliseconds(cold_open)
