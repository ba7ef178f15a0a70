"""``listAllDomains``: libvirt's flags in groups; within a group any, across groups all (pure)."""

from __future__ import annotations

from collections.abc import Iterable

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
NONE_YET = NO_MANAGEDSAVE | NO_AUTOSTART | NO_SNAPSHOT | NO_CHECKPOINT
"""What this driver's domains never have."""


def traits(definition: Definition | None, running: Running | None) -> int:
    """The flags that describe one domain."""
    state = states.SHUTOFF if running is None else running.state.state
    active = INACTIVE if running is None else ACTIVE
    kept = TRANSIENT if definition is None else PERSISTENT
    return active | kept | BY_STATE.get(state, OTHER) | NONE_YET


def matches(described: int, flags: int) -> bool:
    """Whether a domain is wanted; no flag of a group asks for all."""
    return all(not flags & group or described & flags & group for group in GROUPS)


def select(
    definitions: Iterable[Definition], running: Iterable[Running], flags: int
) -> list[tuple[str, str]]:
    """Name and UUID of the wanted domains: running ones by id, then the others by name."""
    defined = {row.uuid: row for row in definitions}
    active = {row.uuid: row for row in sorted(running, key=lambda row: row.id)}
    order = [*active, *sorted(defined.keys() - active.keys(), key=lambda uuid: defined[uuid].name)]
    wanted = [uuid for uuid in order if matches(traits(defined.get(uuid), active.get(uuid)), flags)]
    return [((active.get(uuid) or defined[uuid]).name, uuid) for uuid in wanted]
