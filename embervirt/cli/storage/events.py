"""The command ``pool-event``: waits for what happens to pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.session import Session, command, pass_session
from embervirt.cli.storage.common import find_pool
from embervirt.cli.waiting import Told, chosen, wait_and_show, waiting_words

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

EVENTS = ("lifecycle", "refresh")
"""By virStoragePoolEventID."""

LIFECYCLES = ("Defined", "Undefined", "Started", "Stopped", "Created", "Deleted")
"""By virStoragePoolEventLifecycleType."""


@command("pool-event")
@click.option("--pool", help="Only of this pool, by name or UUID.")
@click.option("--event", "wanted", type=click.Choice(EVENTS), help="Which one is waited for.")
@waiting_words
@pass_session
def pool_event(
    session: Session, pool: str | None, wanted: str | None, loop: bool, timeout: int | None, timestamp: bool,
    list_: bool,
) -> None:  # fmt: skip
    """Wait for an event of a pool; this command owns the root meanwhile."""
    event = chosen(EVENTS, wanted, list_)
    if event is None:
        return
    with session.connect("storage") as conn:
        told = Told()
        found = None if pool is None else find_pool(conn, pool)
        conn.storagePoolEventRegisterAny(found, event, _HEARD[event], told)
        wait_and_show(told, loop, timeout, timestamp)


def _lifecycle(_: virConnect, pool: Any, event: int, __: int, told: Told) -> None:
    told.put(f"event 'lifecycle' for storage pool {pool.name()}: {words.word(LIFECYCLES, event)}")


def _refresh(_: virConnect, pool: Any, told: Told) -> None:
    told.put(f"event 'refresh' for storage pool {pool.name()}")


_HEARD = (_lifecycle, _refresh)
"""The callback of each event."""

COMMANDS: list[click.Command] = [pool_event]
