"""Commands about pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Session, command, pass_session, text_of
from embervirt.cli.storage.common import find_pool, pool_argument, shown, watched

if TYPE_CHECKING:
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


@command("pool-define")
@click.argument("file", type=XML)
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@pass_session
def pool_define(session: Session, file: Any, validate: bool) -> None:
    """Keep the pool that FILE describes; it is not started."""
    xml = text_of(file)
    with session.connect("storage", make=True) as conn:
        made = conn.storagePoolDefineXML(xml, int(validate))
        session.answer(
            f"Pool {made.name()} defined from {file.name}", name=made.name(), uuid=made.UUIDString()
        )


@command("pool-create")
@click.argument("file", type=XML)
@with_build
@pass_session
def pool_create(session: Session, file: Any, build: bool, overwrite: bool, no_overwrite: bool) -> None:
    """Start the pool that FILE describes; it is forgotten when it is stopped."""
    xml, flags = text_of(file), build_flags(build, overwrite, no_overwrite)
    with session.connect("storage", make=True) as conn:
        made = watched(conn, lambda: conn.storagePoolCreateXML(xml, flags))
        session.answer(
            f"Pool {made.name()} created from {file.name}", name=made.name(), uuid=made.UUIDString()
        )


@command("pool-start")
@pool_argument
@with_build
@pass_session
def pool_start(session: Session, pool: str, build: bool, overwrite: bool, no_overwrite: bool) -> None:
    """Start a defined pool."""
    flags = build_flags(build, overwrite, no_overwrite)
    _change(session, pool, lambda found: found.create(flags), "started")


@command("pool-build")
@pool_argument
@click.option("--overwrite", is_flag=True, help="Over what is there.")
@click.option("--no-overwrite", is_flag=True, help="Where nothing is.")
@pass_session
def pool_build(session: Session, pool: str, overwrite: bool, no_overwrite: bool) -> None:
    """Make what a pool lies on: a directory, a file system."""
    flags = 4 * build_flags(False, overwrite, no_overwrite)
    _change(session, pool, lambda found: found.build({0: 0, 8: 8, 16: 4}[flags]), "built")


@command("pool-destroy")
@pool_argument
@pass_session
def pool_destroy(session: Session, pool: str) -> None:
    """Stop a pool; what is in it stays."""
    _change(session, pool, lambda found: found.destroy(), "destroyed")


@command("pool-delete")
@pool_argument
@pass_session
def pool_delete(session: Session, pool: str) -> None:
    """Remove what a pool lies on, which must be empty."""
    _change(session, pool, lambda found: found.delete(), "deleted")


@command("pool-refresh")
@pool_argument
@pass_session
def pool_refresh(session: Session, pool: str) -> None:
    """Look again which volumes a pool has."""
    _change(session, pool, lambda found: found.refresh(), "refreshed")


@command("pool-undefine")
@pool_argument
@pass_session
def pool_undefine(session: Session, pool: str) -> None:
    """Forget a pool's definition; what is in it stays."""
    _change(session, pool, lambda found: found.undefine(), "has been undefined")


@command("pool-autostart")
@pool_argument
@click.option("--disable", is_flag=True, help="No longer.")
@pass_session
def pool_autostart(session: Session, pool: str, disable: bool) -> None:
    """Start a pool with the host from now on."""
    how = "unmarked as autostarted" if disable else "marked as autostarted"
    _change(session, pool, lambda found: found.setAutostart(int(not disable)), how)


def _change(session: Session, pool: str, change: Callable[[virStoragePool], object], how: str) -> None:
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        watched(conn, lambda: change(found))
        session.answer(f"Pool {found.name()} {how}", name=found.name(), uuid=found.UUIDString())


@command("pool-dumpxml")
@pool_argument
@click.option("--inactive", is_flag=True, help="What its next start begins with.")
@pass_session
def pool_dumpxml(session: Session, pool: str, inactive: bool) -> None:
    """Print a pool's XML."""
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        xml = found.XMLDesc(int(inactive))
        session.answer(xml.rstrip("\n"), uuid=found.UUIDString(), xml=xml)


@command("pool-info")
@pool_argument
@click.option("--bytes", "plain", is_flag=True, help="Sizes in bytes.")
@pass_session
def pool_info(session: Session, pool: str, plain: bool) -> None:
    """Show a pool's state and space."""
    from embervirt.cli import output

    with session.connect("storage") as conn:
        row = _row(find_pool(conn, pool))
    if session.json:
        click.echo(output.document(row))
        return
    words = {
        "Name": row["name"],
        "UUID": row["uuid"],
        "State": row["state"],
        "Persistent": _yes(row["persistent"]),
        "Autostart": _yes(row["autostart"]),
    }
    if row["state"] == "running":
        sizes = {key.capitalize(): row[key] for key in ("capacity", "allocation", "available")}
        words |= {key: str(size) if plain else shown(size) for key, size in sizes.items()}
    for key, value in words.items():
        click.echo(f"{key + ':':<16}{value}")


def _row(pool: virStoragePool) -> dict[str, Any]:
    state, capacity, allocation, available = pool.info()
    return {
        "name": pool.name(), "uuid": pool.UUIDString(), "state": "running" if state else "inactive",
        "persistent": bool(pool.isPersistent()), "autostart": bool(pool.autostart()),
        "capacity": capacity, "allocation": allocation, "available": available,
    }  # fmt: skip


def _yes(value: bool) -> str:
    return "yes" if value else "no"


@command("pool-list")
@click.option("--all", "all_", is_flag=True, help="Also those that are not active.")
@click.option("--inactive", is_flag=True, help="Only those that are not active.")
@click.option("--persistent", "flags", multiple=True, flag_value=4, help="Only defined ones.")
@click.option("--transient", "flags", multiple=True, flag_value=8, help="Only those without a definition.")
@click.option("--autostart", "flags", multiple=True, flag_value=16, help="Only those with autostart.")
@click.option("--no-autostart", "flags", multiple=True, flag_value=32, help="Only those without.")
@click.option("--type", "kinds", help="Only these kinds, with commas: dir,fs")
@click.option("--details", is_flag=True, help="With their space.")
@pass_session
def pool_list(
    session: Session, all_: bool, inactive: bool, flags: tuple[int, ...], kinds: str | None, details: bool
) -> None:
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
    if session.json:
        click.echo(output.document(rows))
        return
    headers = ["Name", "State", "Autostart"]
    more = ["Persistent", "Capacity", "Allocation", "Available"] if details else []
    output.show_table(headers + more, (_cells(row, details) for row in rows))


def _cells(row: dict[str, Any], details: bool) -> list[str]:
    active = row["state"] == "running"
    cells = [row["name"], "active" if active else "inactive", _yes(row["autostart"])]
    if not details:
        return cells
    sizes = [row[key] for key in ("capacity", "allocation", "available")]
    return [*cells, _yes(row["persistent"]), *(shown(each) if active else "-" for each in sizes)]


@command("pool-name")
@pool_argument
@pass_session
def pool_name(session: Session, pool: str) -> None:
    """Print a pool's name."""
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        session.answer(found.name(), name=found.name())


@command("pool-uuid")
@pool_argument
@pass_session
def pool_uuid(session: Session, pool: str) -> None:
    """Print a pool's UUID."""
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        session.answer(found.UUIDString(), uuid=found.UUIDString())


COMMANDS: list[click.Command] = [
    pool_define, pool_create, pool_start, pool_build, pool_destroy, pool_delete, pool_refresh, pool_undefine,
    pool_autostart, pool_dumpxml, pool_info, pool_list, pool_name, pool_uuid,
]  # fmt: skip
