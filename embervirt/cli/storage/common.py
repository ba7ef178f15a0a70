"""What the storage commands share: finding pools and volumes, sizes, and a bar for what takes long."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embervirt.cli.session import Refused
from embervirt.errors import libvirtError

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

pool_argument = click.argument("pool")
"""A pool's name or UUID."""

pool_option = click.option("--pool", help="The volume's pool, by name or UUID.")


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


def find_pool(conn: virConnect, wanted: str) -> virStoragePool:
    """By UUID or name. Raises NoStoragePool."""
    from embervirt.drivers.storage.errors import NoStoragePool

    if len(wanted) == 36:
        try:
            return conn.storagePoolLookupByUUIDString(wanted)
        except libvirtError as error:
            if error.get_error_code() not in (NoStoragePool.code, 8):
                raise
    return conn.storagePoolLookupByName(wanted)


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
        for row in conn.root.part("storage").face.tables.jobs.values():
            _cancel(conn, row)
        wait([done])
        if done.exception() is None:
            return done.result()
        raise Refused("cancelled; nothing of it is left") from None
    return done.result()


def _settle(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - the main thread raises it
        done.set_exception(error)


def _cancel(conn: virConnect, row: JobRow) -> None:
    if any(each.id == row.id for each in conn.root.journal.open()):
        conn.root.cancel(row.id)


def _follow(conn: virConnect, done: Future[Any]) -> None:
    if not sys.stderr.isatty():
        wait([done])
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        while not wait([done], LOOK).done:
            for row in conn.root.part("storage").face.tables.jobs.values():
                if row.total:
                    what = f"{row.what} {row.volume}".strip()
                    bar.update(task, description=what, completed=row.done, total=row.total, visible=True)
