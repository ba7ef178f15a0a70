"""``listAllDomains``: libvirt's flags in groups; within a group any, across groups all (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.tables import Definition, Running

ACTIVE, INACTIVE, PERSISTENT, TRANSIENT = 1, 2, 4, 8
RUNNING, PAUSED, SHUTOFF, OTHER = 16, 32, 64, 128
MANAGEDSAVE, NO_MANAGEDSAVE, AUTOSTART, NO_AUTOSTART = 256, 512, 1024, 2048
HAS_SNAPSHOT, NO_SNAPSHOT, HAS_CHECKPOINT, NO_CHECKPOINT = 4096, 8192, 16384, 32768

GROUPS = (
    ACTIVE | INACTIVE,
    PERSISTENT | TRANSIENT,
    RUNNING | PAUSED | SHUTOFF | OTHER,
    MANAGEDSAVE | NO_MANAGEDSAVE,
    AUTOSTART | NO_AUTOSTART,
    HAS_SNAPSHOT | NO_SNAPSHOT,
    HAS_CHECKPOINT | NO_CHECKPOINT,
)
BY_STATE = {states.RUNNING: RUNNING, states.PAUSED: PAUSED, states.SHUTOFF: SHUTOFF}
BESIDE = MANAGEDSAVE | NO_MANAGEDSAVE | HAS_SNAPSHOT | NO_SNAPSHOT | HAS_CHECKPOINT | NO_CHECKPOINT
"""What only files beside a definition tell."""


def traits(definition: Definition | None, running: Running | None) -> int:
    """The flags that describe one domain, but those of ``BESIDE``."""
    state = states.SHUTOFF if running is None else running.state.state
    active = INACTIVE if running is None else ACTIVE
    kept = TRANSIENT if definition is None else PERSISTENT
    starts = AUTOSTART if definition is not None and definition.autostart else NO_AUTOSTART
    return active | kept | starts | BY_STATE.get(state, OTHER)


def matches(described: int, flags: int) -> bool:
    """Whether a domain is wanted; no flag of a group asks for all."""
    return all(not flags & group or described & flags & group for group in GROUPS)


def select(
    definitions: Iterable[Definition],
    running: Iterable[Running],
    flags: int,
    beside: Callable[[str], int] = lambda name: 0,
) -> list[tuple[str, str]]:
    """Name and UUID of the wanted domains: running ones by id, then the others by name.

    ``beside`` gives a domain's flags of ``BESIDE`` by its name; it is asked when ``flags`` have one of them.
    """
    defined = {row.uuid: row for row in definitions}
    active = {row.uuid: row for row in sorted(running, key=lambda row: row.id)}
    order = [*active, *sorted(defined.keys() - active.keys(), key=lambda uuid: defined[uuid].name)]
    names = {uuid: (active.get(uuid) or defined[uuid]).name for uuid in order}

    def wanted(uuid: str) -> bool:
        files = beside(names[uuid]) if flags & BESIDE else 0
        return matches(traits(defined.get(uuid), active.get(uuid)) | files, flags)

    return [(names[uuid], uuid) for uuid in order if wanted(uuid)]
