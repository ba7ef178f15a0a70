"""What the storage commands share: finding pools and volumes, sizes, and a bar for what takes long."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import wraps
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embervirt.cli.objects import Kind
from embervirt.cli.session import Refused, Session, command, pass_session
from embervirt.errors import InvalidArgument, OperationInvalid

if TYPE_CHECKING:
    from embervirt.drivers.storage.tables import JobRow
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.storage import virStoragePool, virStorageVol

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks at how far it is."""

SIZE = re.compile(r"([0-9]+)(?:([kmgtpe])(i?b)?|b|bytes)?", re.IGNORECASE)
UNITS = "kmgtpe"
SHOWN = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

vol_argument = click.argument("vol")
"""A volume's name (with a pool), key or path."""

pool_option = click.option("--pool", help="The volume's pool, by name or UUID.")
Run = Callable[..., None]


def volume_command(name: str, *, alone: bool = True) -> Callable[[Run], click.Command]:
    """Of one volume: the function gets the session, the volume, how it was named, and its other words.

    ``alone``: the name of its pool may follow that of the volume, for no other word does.
    """

    def made(function: Run) -> click.Command:
        @wraps(function)
        def run(
            session: Session, /, vol: str, pool: str | None, pool_: str | None = None, **words: Any
        ) -> None:
            with session.connect("storage") as conn:
                function(session, find_volume(conn, vol, pool or pool_), vol, **words)

        found = pool_option(pass_session(run))
        if alone:
            found = click.argument("pool_", metavar="[POOL]", required=False)(found)
        finished: click.Command = command(name)(vol_argument(found))
        return finished

    return made


def size(value: str) -> int:
    """Bytes: ``10G`` and ``10GiB`` are by 1024, ``10GB`` by 1000, as virsh has it."""
    found = SIZE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no size: expected such as 10G, 512MiB or 1000000")
    number, unit, kind = found.groups()
    base = 1000 if (kind or "").lower() == "b" else 1024
    power = UNITS.index(unit.lower()) + 1 if unit else 0
    return int(number) * int(base**power)


def shown(count: int) -> str:
    """``10.00 MiB``, as virsh prints it."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(SHOWN) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.2f} {SHOWN[unit]}"


def find_volume(conn: virConnect, wanted: str, pool: str | None) -> virStorageVol:
    """By name in ``pool``, else by key or path. Raises NoStorageVolume."""
    from embervirt.drivers.storage.errors import NoStorageVolume

    if pool is not None:
        found = find_pool(conn, pool)
        try:
            return found.storageVolLookupByName(wanted)
        except NoStorageVolume:
            if not wanted.startswith("/"):
                raise
    try:
        return conn.storageVolLookupByKey(wanted)
    except NoStorageVolume:
        if pool is None and not wanted.startswith("/"):
            raise Refused(f"no volume has key or path '{wanted}'; --pool POOL finds one by name") from None
    return conn.storageVolLookupByPath(wanted)


def watched(conn: virConnect, work: Callable[[], T]) -> T:
    """Do it, with a bar on a terminal while it takes long; Ctrl-C cancels it and waits for that."""
    done: Future[T] = Future()
    Thread(target=_settle, args=(done, work), daemon=True).start()
    try:
        _follow(conn, done)
    except KeyboardInterrupt:
        _cancel(conn)
        # Not for ``work`` itself: it may wait for somebody who never writes to a pipe. Its job may begin now.
        while not wait([done], LOOK).done and _cancel(conn):
            continue
        if done.done() and done.exception() is None:
            return done.result()
        raise Refused("cancelled; nothing of it is left") from None
    return done.result()


def _settle(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - the main thread raises it
        done.set_exception(error)


def _jobs(conn: virConnect) -> list[JobRow]:
    """Under way."""
    rows: list[JobRow] = conn.root.part("storage").face.tables.jobs.values()
    return rows


def _cancel(conn: virConnect) -> bool:
    """All that is under way; whether anything is. What only looks is not on record, and ends by itself."""
    jobs = _jobs(conn)
    for row in jobs:
        with suppress(OperationInvalid, InvalidArgument):  # it is over
            conn.root.cancel(row.id)
    return bool(jobs)


def _follow(conn: virConnect, done: Future[Any]) -> None:
    if not sys.stderr.isatty():
        while not wait([done], LOOK).done:
            continue  # Python misses a signal that comes right before it waits, until the wait is over
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        while not wait([done], LOOK).done:
            for row in _jobs(conn):
                if row.total:
                    what = f"{row.what} {row.volume}".strip()
                    bar.update(task, description=what, completed=row.done, total=row.total, visible=True)


POOLS = Kind("pool", "Pool", "pool", "storage", "storagePool", absent=49, carry_out=watched)
find_pool: Callable[[virConnect, str], virStoragePool] = POOLS.find
pool_command = POOLS.command
