"""``listAllDomains``: any flag of a group will do, each group that is named counts."""

from __future__ import annotations

from functools import reduce
from operator import or_

from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu import filters, states
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.states import State
from embervirt.drivers.qemu.tables import Definition, Running
from embervirt.drivers.xml import parse
from embervirt.supervisor.identity import Identity

DOMAIN = parse(Domain, "<domain type='qemu'><name>x</name><os><type>hvm</type></os></domain>")
STATES = (states.RUNNING, states.PAUSED, states.SHUTDOWN, states.CRASHED, 7)


def defined(name: str, autostart: bool = False) -> Definition:
    """One that is persistent."""
    return Definition(f"uuid-{name}", name, "", autostart)


def running(name: str, id_: int, state: int = states.RUNNING) -> Running:
    """One that runs."""
    process = Identity("", 1, 0, (0, 0), "")
    return Running(f"uuid-{name}", name, id_, State(state, 0), "", "", DOMAIN, process)


DEFINED = [defined("a"), defined("b", autostart=True), defined("c")]
RUNS = [running("d", 1, states.PAUSED), running("c", 2), running("e", 3, states.CRASHED)]
EXPECTED = {
    0: "dceab",
    filters.ACTIVE: "dce",
    filters.INACTIVE: "ab",
    filters.ACTIVE | filters.INACTIVE: "dceab",
    filters.PERSISTENT: "cab",
    filters.TRANSIENT: "de",
    filters.RUNNING: "c",
    filters.PAUSED: "d",
    filters.SHUTOFF: "ab",
    filters.OTHER: "e",
    filters.RUNNING | filters.OTHER: "ce",
    filters.AUTOSTART: "b",
    filters.NO_AUTOSTART: "dcea",
    filters.MANAGEDSAVE: "a",
    filters.NO_MANAGEDSAVE: "dceb",
    filters.HAS_SNAPSHOT: "",
    filters.NO_CHECKPOINT | filters.ACTIVE: "dce",
    filters.ACTIVE | filters.PERSISTENT: "c",
    filters.PERSISTENT | filters.AUTOSTART | filters.ACTIVE: "",
}


def files(name: str) -> int:
    """``a`` has a managed save image."""
    saved = filters.MANAGEDSAVE if name == "a" else filters.NO_MANAGEDSAVE
    return saved | filters.NO_SNAPSHOT | filters.NO_CHECKPOINT


def names(flags: int) -> str:
    """Of those that match, in their order."""
    return "".join(name for name, _ in filters.select(DEFINED, RUNS, flags, files))


def test_each_flag_selects_its_domains() -> None:
    """Running ones by id, then the others by name."""
    assert {flags: names(flags) for flags in EXPECTED} == EXPECTED


@given(st.sampled_from(STATES), st.booleans(), st.booleans())
def test_a_domain_has_one_flag_of_each_group(state: int, persistent: bool, autostart: bool) -> None:
    """So the flags of a group split all domains into parts."""
    definition = defined("a", autostart) if persistent else None
    told = filters.traits(definition, running("a", 1, state)) | files("a")
    assert [(told & group).bit_count() for group in filters.GROUPS] == [1] * len(filters.GROUPS)


def test_all_flags_together_exclude_nobody() -> None:
    """As if none had been given; and files are asked for only when a flag is about them."""
    assert names(reduce(or_, filters.GROUPS)) == names(0)
    asked: list[str] = []
    filters.select(DEFINED, RUNS, filters.ACTIVE, lambda name: asked.append(name) or 0)  # type: ignore[func-returns-value]
    assert asked == []
