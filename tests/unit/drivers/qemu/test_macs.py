"""MAC addresses that are made up: never one that a domain of the root has."""

from __future__ import annotations

import pytest

from embervirt.actors.fence import Fence
from embervirt.drivers.qemu import tables as module
from embervirt.drivers.qemu.tables import Definition, Tables

TAKEN = "52:54:00:00:00:0{}"


def row(uuid: str, mac: str) -> Definition:
    """A definition that has it."""
    return Definition(uuid, uuid, f'<interface><mac address="{mac}"/></interface>')


def test_no_address_is_given_that_a_domain_has_or_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that was there before the first look, nor one that came after it, nor one just given."""
    chances = iter([TAKEN.format(n) for n in (1, 2, 2, 1, 3, 3, 4, 5, 5, 6)])
    monkeypatch.setattr(module, "new_mac", lambda: next(chances))
    tables, fence = Tables(), Fence("qemu", 1)
    tables.definitions.put(fence, "a", row("a", TAKEN.format(1)))
    assert tables.macs.fresh() == TAKEN.format(2)
    tables.definitions.put(fence, "b", row("b", TAKEN.format(3)))
    assert tables.macs.fresh() == TAKEN.format(4)
    tables.definitions.replace(fence, {"c": row("c", TAKEN.format(5))})
    assert tables.macs.fresh() == TAKEN.format(6)
