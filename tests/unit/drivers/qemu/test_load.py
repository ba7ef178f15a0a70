"""Definitions are read from disk when the driver starts, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service.domains import PORTION, Domains
from embervirt.drivers.qemu.tables import Definition, Tables
from embervirt.drivers.xml import parse


class Unfenced:
    """May write."""

    def guard(self) -> nullcontext[None]:
        return nullcontext()


@dataclass
class Disk:
    """A store with so many definitions; ``seen`` is how many were read at each word of progress."""

    count: int
    read: int = 0
    seen: list[int] = field(default_factory=list)

    def definitions(self) -> Iterator[tuple[str, Domain]]:
        for number in range(self.count):
            self.read += 1
            name = f"<name>d{number}</name><uuid>{number:032x}</uuid>"
            text = f"<domain type='qemu'>{name}<os><type>hvm</type></os></domain>"
            yield text, parse(Domain, text)

    def autostarting(self) -> set[str]:
        return {"d7"}

    def younger(self, one: Definition | None, other: Definition) -> Definition:
        return other

    def progress(self) -> None:
        self.seen.append(self.read)


def test_many_definitions_are_read_with_a_word_of_progress_for_each_portion() -> None:
    """All are in the table, and the start is known to go on before its limit can have passed."""
    disk, tables = Disk(3 * PORTION), Tables()
    store: Any = disk
    fence: Any = Unfenced()
    Domains(store, tables, fence, lambda event: None).load(disk.progress)
    assert {row.name for row in tables.definitions.values()} == {f"d{n}" for n in range(3 * PORTION)}
    assert [row.name for row in tables.definitions.values() if row.autostart] == ["d7"]
    assert disk.seen == [1, PORTION + 1, 2 * PORTION + 1]
