"""Commands about pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.objects import (
    inactive_option,
    name_option,
    show_lines,
    show_rows,
    uuid_option,
    validate_option,
    yes,
)
from embervirt.cli.session import Session, command, pass_session
from embervirt.cli.storage.common import POOLS, shown

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.storage import virStoragePool

build_options = (
    click.option("--build", is_flag=True, help="Build it first."),
    click.option("--overwrite", is_flag=True, help="Build it over what is there."),
    click.option("--no-overwrite", is_flag=True, help="Build it where nothing is."),
)


def with_build(function: Callable[..., Any]) -> Callable[..., Any]:
    """--build, --overwrite and --no-overwrite."""
    for option in reversed(build_options):
        function = option(function)
    return function


def build_flags(build: bool, overwrite: bool, no_overwrite: bool) -> int:
    """virStoragePoolCreateFlags."""
    if overwrite and no_overwrite:
        raise click.UsageError("give one of --overwrite and --no-overwrite")
    return int(build) | 2 * overwrite | 4 * no_overwrite


def _define(conn: virConnect, xml: str, validate: bool) -> virStoragePool:
    return conn.storagePoolDefineXML(xml, int(validate))


def _create(conn: virConnect, xml: str, build: bool, overwrite: bool, no_overwrite: bool) -> virStoragePool:
    return conn.storagePoolCreateXML(xml, build_flags(build, overwrite, no_overwrite))


MAKING = [
    POOLS.making("define", "defined", "Keep the pool that FILE describes.", _define, validate_option),
    POOLS.making(
        "create", "created", "Start the pool that FILE describes, until it is stopped.", _create, with_build
    ),
]


def _start(pool: virStoragePool, build: bool, overwrite: bool, no_overwrite: bool) -> None:
    pool.create(build_flags(build, overwrite, no_overwrite))


def _build(pool: virStoragePool, overwrite: bool, no_overwrite: bool) -> None:
    if overwrite and no_overwrite:
        raise click.UsageError("give one of --overwrite and --no-overwrite")
    pool.build(8 * overwrite | 4 * no_overwrite)


CHANGING = [
    POOLS.changing("start", "started", "Start a defined pool.", _start, with_build),
    POOLS.changing("build", "built", "Make what a pool lies on.", _build, *build_options[1:]),
    POOLS.changing("destroy", "destroyed", "Stop a pool; what is in it stays.", lambda pool: pool.destroy()),
    POOLS.changing(
        "delete", "deleted", "Remove what it lies on, if that is empty.", lambda pool: pool.delete()
    ),
    POOLS.changing("refresh", "refreshed", "Look again what is in a pool.", lambda pool: pool.refresh()),
    POOLS.changing("undefine", "has been undefined", "Forget a pool.", lambda pool: pool.undefine()),
]


def _text(pool: virStoragePool) -> str:
    return pool.XMLDesc(int(pool.isPersistent()))


@POOLS.command("pool-info")
@click.option("--bytes", "plain", is_flag=True, help="Sizes in bytes.")
def pool_info(session: Session, pool: virStoragePool, plain: bool) -> None:
    """Show a pool's state and space."""
    from embervirt.cli import output

    row = _row(pool)
    if session.json:
        click.echo(output.document(row))
        return
    lines = {
        "Name": row["name"],
        "UUID": row["uuid"],
        "State": row["state"],
        "Persistent": yes(row["persistent"]),
        "Autostart": yes(row["autostart"]),
    }
    if row["state"] == "running":
        sizes = {key.capitalize(): row[key] for key in ("capacity", "allocation", "available")}
        lines |= {key: str(size) if plain else shown(size) for key, size in sizes.items()}
    show_lines(lines)


def _row(pool: virStoragePool) -> dict[str, Any]:
    state, capacity, allocation, available = pool.info()
    return {
        "name": pool.name(), "uuid": pool.UUIDString(), "state": "running" if state else "inactive",
        "persistent": bool(pool.isPersistent()), "autostart": bool(pool.autostart()),
        "capacity": capacity, "allocation": allocation, "available": available,
    }  # fmt: skip


@command("pool-list")
@click.option("--all", "all_", is_flag=True, help="Also those that are not active.")
@click.option("--inactive", is_flag=True, help="Only those that are not active.")
@click.option("--persistent", "flags", multiple=True, flag_value=4, help="Only defined ones.")
@click.option("--transient", "flags", multiple=True, flag_value=8, help="Only those without a definition.")
@click.option("--autostart", "flags", multiple=True, flag_value=16, help="Only those with autostart.")
@click.option("--no-autostart", "flags", multiple=True, flag_value=32, help="Only those without.")
@click.option("--type", "kinds", help="Only these kinds, with commas: dir,fs")
@click.option("--details", is_flag=True, help="With their space.")
@name_option
@uuid_option
@pass_session
def pool_list(
    session: Session, all_: bool, inactive: bool, flags: tuple[int, ...], kinds: str | None, details: bool,
    only: tuple[str, ...],
) -> None:  # fmt: skip
    """List pools."""
    from embervirt.cli import output
    from embervirt.drivers.storage.filters import KIND_BITS

    states = 0 if all_ else 1 if inactive else 2
    try:
        wanted = sum(KIND_BITS[kind] for kind in set(kinds.split(","))) if kinds else 0
    except KeyError as error:
        text = f"no kind of pool is called {error}: expected {', '.join(KIND_BITS)}"
        raise click.UsageError(text) from error
    with session.connect("storage") as conn:
        rows = [_row(each) for each in conn.listAllStoragePools(states | wanted | sum(set(flags)))]
    headers = ["Name", "State", "Autostart"]
    more = ["Persistent", "Capacity", "Allocation", "Available"] if details else []

    def show(rows: list[dict[str, Any]]) -> None:
        output.show_table(headers + more, (_cells(row, details) for row in rows))

    show_rows(session, rows, only, show)


def _cells(row: dict[str, Any], details: bool) -> list[str]:
    active = row["state"] == "running"
    cells = [row["name"], "active" if active else "inactive", yes(row["autostart"])]
    if not details:
        return cells
    sizes = [row[key] for key in ("capacity", "allocation", "available")]
    return [*cells, yes(row["persistent"]), *(shown(each) if active else "-" for each in sizes)]


COMMANDS: list[click.Command] = [
    *MAKING, *CHANGING, POOLS.autostarting(), POOLS.dumping(inactive_option), POOLS.editing(_text), pool_info,
    pool_list, *POOLS.telling(),
]  # fmt: skip
