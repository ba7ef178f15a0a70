"""Commands about pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Refused, Session, command, pass_session, text_of
from embervirt.cli.storage.common import part_of, pool_command, shown, watched, wrap_option, xpath_option
from embervirt.errors import libvirtError

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


def _changing(name: str, how: str, help_: str, change: Callable[..., object], *words: Any) -> click.Command:
    """A command that changes a pool; ``change`` gets the pool and ``words``' values."""

    def run(session: Session, pool: virStoragePool, **given: Any) -> None:
        watched(pool.connect(), lambda: change(pool, **given))
        session.answer(f"Pool {pool.name()} {how}", name=pool.name(), uuid=pool.UUIDString())

    run.__doc__ = help_
    for word in reversed(words):
        run = word(run)
    return pool_command(name)(run)


def _start(pool: virStoragePool, build: bool, overwrite: bool, no_overwrite: bool) -> None:
    pool.create(build_flags(build, overwrite, no_overwrite))


def _build(pool: virStoragePool, overwrite: bool, no_overwrite: bool) -> None:
    if overwrite and no_overwrite:
        raise click.UsageError("give one of --overwrite and --no-overwrite")
    pool.build(8 * overwrite | 4 * no_overwrite)


CHANGING = [
    _changing("pool-start", "started", "Start a defined pool.", _start, with_build),
    _changing("pool-build", "built", "Make what a pool lies on.", _build, *build_options[1:]),
    _changing("pool-destroy", "destroyed", "Stop a pool; what is in it stays.", lambda pool: pool.destroy()),
    _changing(
        "pool-delete", "deleted", "Remove what it lies on, if that is empty.", lambda pool: pool.delete()
    ),
    _changing("pool-refresh", "refreshed", "Look again what is in a pool.", lambda pool: pool.refresh()),
    _changing("pool-undefine", "has been undefined", "Forget a pool.", lambda pool: pool.undefine()),
]


@pool_command("pool-autostart")
@click.option("--disable", is_flag=True, help="No longer.")
def pool_autostart(session: Session, pool: virStoragePool, disable: bool) -> None:
    """Start a pool with the host from now on."""
    pool.setAutostart(int(not disable))
    how = "unmarked as autostarted" if disable else "marked as autostarted"
    session.answer(f"Pool {pool.name()} {how}", name=pool.name(), uuid=pool.UUIDString())


@pool_command("pool-dumpxml")
@click.option("--inactive", is_flag=True, help="What its next start begins with.")
@xpath_option
@wrap_option
def pool_dumpxml(
    session: Session, pool: virStoragePool, inactive: bool, xpath: str | None, wrap: bool
) -> None:
    """Print a pool's XML."""
    xml = pool.XMLDesc(int(inactive))
    session.answer(part_of(xml, xpath, wrap), uuid=pool.UUIDString(), xml=xml)


@pool_command("pool-edit")
def pool_edit(session: Session, pool: virStoragePool) -> None:
    """Change a pool's definition in $VISUAL or $EDITOR."""
    before = text = pool.XMLDesc(int(pool.isPersistent()))
    while True:
        edited = click.edit(text, extension=".xml")
        if edited is None or edited == before:
            session.answer(f"Pool {pool.name()} XML configuration not changed.", changed=False)
            return
        try:
            made = pool.connect().storagePoolDefineXML(edited)
        except libvirtError as error:
            click.echo(f"error: {error}", err=True)
            if not click.confirm("Edit it again", err=True):
                raise Refused(f"pool {pool.name()} is as it was") from error
            text = edited
        else:
            session.answer(f"Pool {made.name()} XML configuration edited.", changed=True)
            return


@pool_command("pool-info")
@click.option("--bytes", "plain", is_flag=True, help="Sizes in bytes.")
def pool_info(session: Session, pool: virStoragePool, plain: bool) -> None:
    """Show a pool's state and space."""
    from embervirt.cli import output

    row = _row(pool)
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
@click.option("--name", "only", multiple=True, flag_value="name", help="Only names, one a line.")
@click.option("--uuid", "only", multiple=True, flag_value="uuid", help="Only UUIDs, one a line.")
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
    if session.json:
        click.echo(output.document(rows))
        return
    if only:
        for row in rows:
            click.echo(" ".join(row[key] for key in sorted(only, reverse=True)))
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


@pool_command("pool-name")
def pool_name(session: Session, pool: virStoragePool) -> None:
    """Print a pool's name."""
    session.answer(pool.name(), name=pool.name())


@pool_command("pool-uuid")
def pool_uuid(session: Session, pool: virStoragePool) -> None:
    """Print a pool's UUID."""
    session.answer(pool.UUIDString(), uuid=pool.UUIDString())


COMMANDS: list[click.Command] = [
    pool_define, pool_create, *CHANGING, pool_autostart, pool_dumpxml, pool_edit, pool_info, pool_list,
    pool_name, pool_uuid,
]  # fmt: skip
