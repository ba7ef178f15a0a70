"""The command ``pool-event``: waits for what happens to pools."""

from __future__ import annotations

import queue
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.session import Session, command, pass_session
from embervirt.cli.storage.common import find_pool

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

EVENTS = ("lifecycle", "refresh")
"""By virStoragePoolEventID."""

LIFECYCLES = ("Defined", "Undefined", "Started", "Stopped", "Created", "Deleted")
"""By virStoragePoolEventLifecycleType."""

Told = queue.SimpleQueue[str]


@command("pool-event")
@click.option("--pool", help="Only of this pool, by name or UUID.")
@click.option("--event", "wanted", type=click.Choice(EVENTS), help="Which one is waited for.")
@click.option("--loop", is_flag=True, help="Go on until Ctrl-C or the end of the time.")
@click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="The longest to wait.")
@click.option("--timestamp", is_flag=True, help="With the time of each.")
@click.option("--list", "list_", is_flag=True, help="Only show which events there are.")
@pass_session
def pool_event(
    session: Session, pool: str | None, wanted: str | None, loop: bool, timeout: int | None, timestamp: bool,
    list_: bool,
) -> None:  # fmt: skip
    """Wait for an event of a pool; this command owns the root meanwhile."""
    if list_:
        click.echo("\n".join(EVENTS))
        return
    if wanted is None:
        raise click.UsageError("give --event: lifecycle or refresh")
    with session.connect("storage") as conn:
        told: Told = queue.SimpleQueue()
        found = None if pool is None else find_pool(conn, pool)
        conn.storagePoolEventRegisterAny(found, EVENTS.index(wanted), _heard(wanted), told)
        click.echo(f"events received: {_shown(told, loop, timeout, timestamp)}")


def _heard(event: str) -> Any:
    """The callback of an event."""

    def lifecycle(_: virConnect, pool: Any, event: int, __: int, told: Told) -> None:
        told.put(f"event 'lifecycle' for storage pool {pool.name()}: {words.word(LIFECYCLES, event)}")

    def refresh(_: virConnect, pool: Any, told: Told) -> None:
        told.put(f"event 'refresh' for storage pool {pool.name()}")

    return lifecycle if event == "lifecycle" else refresh


def _shown(told: Told, loop: bool, timeout: int | None, timestamp: bool) -> int:
    """How many there were."""
    until, count = None if timeout is None else time.monotonic() + timeout, 0
    try:
        while loop or not count:
            text = told.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            when = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S.%f%z}: " if timestamp else ""
            click.echo(when + text)
            count += 1
    except (queue.Empty, KeyboardInterrupt):
        return count
    return count


COMMANDS: list[click.Command] = [pool_event]
