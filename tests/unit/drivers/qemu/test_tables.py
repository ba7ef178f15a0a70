"""The tables that readers look up: by UUID and by name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embervirt.actors.fence import Fence
from embervirt.drivers.qemu.tables import Definition, Named, Tables

KEYS = st.sampled_from("123")
NAMES = st.sampled_from("abc")


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "replace"]), KEYS, NAMES)))
def test_a_name_leads_to_the_row_that_has_it(steps: list[tuple[str, str, str]]) -> None:
    """After any puts, renames and drops, each name finds a row of that name if there is one."""
    table: Named[Definition] = Named()
    fence = Fence("qemu", 1)
    for what, key, name in steps:
        row = Definition(key, name, "")
        taken = [uuid for uuid, other in table.rows.items() if other.name == name and uuid != key]
        if what == "put" and not taken:  # no two domains have one name
            table.put(fence, key, row)
        elif what == "drop":
            table.drop(fence, key)
        elif what == "replace":
            table.replace(fence, {key: row})
    for name in "abc":
        expected = next((row for row in table.rows.values() if row.name == name), None)
        assert table.named(name) is expected


def test_a_start_that_ends_while_it_is_looked_for_disturbs_nobody() -> None:
    """They leave the table on the supervisor's thread, between any two steps of who looks."""
    tables = Tables()

    class Leaving(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            tables.starting.pop("1", None)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    tables.starting |= {"1": Leaving("a"), "2": "b"}
    assert tables.being_started("b") == "2"
    assert tables.starting == {"2": "b"}
