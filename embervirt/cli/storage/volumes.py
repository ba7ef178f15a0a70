"""Commands about volumes that are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.session import Session, command, pass_session
from embervirt.cli.storage.common import (
    find_pool,
    find_volume,
    pool_argument,
    pool_option,
    shown,
    size,
    watched,
)

if TYPE_CHECKING:
    from embervirt.libvirt.storage import virStorageVol

TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
"""By virStorageVolType."""

ENDLESS = 1 << 63
"""Bytes: more than any file has."""

ALGORITHMS = (
    "zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim",
)  # fmt: skip
"""By virStorageVolWipeAlgorithm."""

vol_argument = click.argument("vol")
"""A volume's name (with a pool), key or path."""

pool_of_volume = click.argument("pool_", metavar="[POOL]", required=False)


@command("vol-list")
@pool_argument
@click.option("--details", is_flag=True, help="With their type and sizes.")
@pass_session
def vol_list(session: Session, pool: str, details: bool) -> None:
    """List a pool's volumes."""
    from embervirt.cli import output

    with session.connect("storage") as conn:
        rows = [_row(each) for each in find_pool(conn, pool).listAllVolumes()]
    if session.json:
        click.echo(output.document(rows))
    elif details:
        output.show_table(["Name", "Path", "Type", "Capacity", "Allocation"], map(_details, rows))
    else:
        output.show_table(["Name", "Path"], ((row["name"], row["path"]) for row in rows))


def _row(volume: virStorageVol, flags: int = 0) -> dict[str, Any]:
    kind, capacity, size = volume.infoFlags(flags)
    return {
        "name": volume.name(), "key": volume.key(), "path": volume.path(), "type": words.word(TYPES, kind),
        "capacity": capacity, "physical" if flags else "allocation": size,
    }  # fmt: skip


def _details(row: dict[str, Any]) -> list[str]:
    return [row["name"], row["path"], row["type"], shown(row["capacity"]), shown(row["allocation"])]


@command("vol-info")
@vol_argument
@pool_of_volume
@pool_option
@click.option("--bytes", "plain", is_flag=True, help="Sizes in bytes.")
@click.option("--physical", is_flag=True, help="The length of its file instead of what it uses on disk.")
@pass_session
def vol_info(
    session: Session, vol: str, pool_: str | None, pool: str | None, plain: bool, physical: bool
) -> None:
    """Show a volume's type and sizes."""
    from embervirt.cli import output

    with session.connect("storage") as conn:
        row = _row(find_volume(conn, vol, pool or pool_), int(physical))
    if session.json:
        click.echo(output.document(row))
        return
    click.echo(f"{'Name:':<16}{row['name']}\n{'Type:':<16}{row['type']}")
    for key in ("capacity", "physical" if physical else "allocation"):
        click.echo(f"{key.capitalize() + ':':<16}{row[key] if plain else shown(row[key])}")


def _tell(name: str, what: Callable[[virStorageVol], str], help_: str) -> click.Command:
    """A command that prints one thing of a volume."""
    key = name.replace("dumpxml", "xml")

    @command(f"vol-{name}", help=help_)
    @vol_argument
    @pool_of_volume
    @pool_option
    @pass_session
    def tell(session: Session, vol: str, pool_: str | None, pool: str | None) -> None:
        with session.connect("storage") as conn:
            text = what(find_volume(conn, vol, pool or pool_))
            session.answer(text.rstrip("\n"), **{key: text})

    made: click.Command = tell
    return made


TELLING = [
    _tell("dumpxml", lambda volume: volume.XMLDesc(), "Print a volume's XML."),
    _tell("key", lambda volume: volume.key(), "Print a volume's key."),
    _tell("path", lambda volume: volume.path(), "Print a volume's path."),
    _tell("name", lambda volume: volume.name(), "Print a volume's name."),
    _tell("pool", lambda volume: volume.storagePoolLookupByVolume().name(), "Print the name of its pool."),
]


@command("vol-delete")
@vol_argument
@pool_of_volume
@pool_option
@pass_session
def vol_delete(session: Session, vol: str, pool_: str | None, pool: str | None) -> None:
    """Remove a volume and its data."""
    with session.connect("storage") as conn:
        found = find_volume(conn, vol, pool or pool_)
        watched(conn, found.delete)
        session.answer(f"Vol {vol} deleted", name=found.name())


@command("vol-wipe")
@vol_argument
@pool_of_volume
@pool_option
@click.option("--algorithm", default="zero", help="How, as `virsh vol-wipe` has it: zero, nnsa, dod, ...")
@pass_session
def vol_wipe(session: Session, vol: str, pool_: str | None, pool: str | None, algorithm: str) -> None:
    """Overwrite a volume, with zeroes if nothing else is said."""
    if algorithm not in ALGORITHMS:
        raise click.UsageError(f"unsupported algorithm '{algorithm}': expected {', '.join(ALGORITHMS)}")
    with session.connect("storage") as conn:
        found = find_volume(conn, vol, pool or pool_)
        watched(conn, lambda: found.wipePattern(ALGORITHMS.index(algorithm)))
        session.answer(f"Vol {vol} wiped", name=found.name())


@command("vol-resize")
@vol_argument
@click.argument("capacity")
@pool_option
@click.option("--allocate", is_flag=True, help="Give it that room on disk.")
@click.option("--delta", is_flag=True, help="By CAPACITY, as +10G does.")
@click.option("--shrink", is_flag=True, help="It may become smaller.")
@pass_session
def vol_resize(
    session: Session, vol: str, capacity: str, pool: str | None, allocate: bool, delta: bool, shrink: bool
) -> None:
    """Make a volume CAPACITY large: 10G, or +10G for so much more."""
    count = size(capacity.lstrip("+-"))
    flags = int(allocate) | 2 * (delta or capacity[0] in "+-") | 4 * (shrink or capacity[0] == "-")
    with session.connect("storage") as conn:
        found = find_volume(conn, vol, pool)
        watched(conn, lambda: found.resize(count, flags))
        session.answer(f"Size of volume '{found.name()}' successfully changed to {capacity}", capacity=count)


@command("vol-clone")
@vol_argument
@click.argument("newname")
@pool_option
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--reflink", is_flag=True, help="Share its data, or fail.")
@pass_session
def vol_clone(
    session: Session, vol: str, newname: str, pool: str | None, prealloc_metadata: bool, reflink: bool
) -> None:
    """Copy a volume within its pool."""
    with session.connect("storage") as conn:
        source = find_volume(conn, vol, pool)
        into, xml = source.storagePoolLookupByVolume(), _renamed(source.XMLDesc(), newname)
        made = watched(
            conn, lambda: into.createXMLFrom(xml, source, int(prealloc_metadata) | 2 * reflink)
        )
        session.answer(f"Vol {newname} cloned from {vol}", name=made.name(), key=made.key())


def _renamed(xml: str, name: str) -> str:
    """The description of a volume under another name, with nothing that is only the first one's."""
    from embervirt.drivers.storage.model import Volume
    from embervirt.drivers.xml import parse, render, replace

    volume = parse(Volume, xml)
    target = replace(volume.target, path=None, timestamps=None)
    return render(replace(volume, name=name, key=None, physical=None, target=target))


@command("vol-upload")
@vol_argument
@click.argument("file", type=click.File("rb"))
@pool_option
@click.option("--offset", type=size, metavar="SIZE", default="0", help="Where in the volume it begins.")
@click.option("--length", type=size, metavar="SIZE", default="0", help="How much of FILE; else all of it.")
@pass_session
def vol_upload(session: Session, vol: str, file: Any, pool: str | None, offset: int, length: int) -> None:
    """Fill a volume with what is in FILE."""
    with session.connect("storage") as conn:
        found = find_volume(conn, vol, pool)
        left = [length or ENDLESS]

        def some(_: object, count: int, __: object) -> bytes:
            data: bytes = file.read(min(count, left[0]))
            left[0] -= len(data)
            return data

        def send() -> None:
            stream = conn.newStream()
            found.upload(stream, offset, length)
            stream.sendAll(some, None)
            stream.finish()

        watched(conn, send)
        session.answer(f"Vol {vol} filled from {file.name}", name=found.name())


@command("vol-download")
@vol_argument
@click.argument("file", type=click.File("wb"))
@pool_option
@click.option("--offset", type=size, metavar="SIZE", default="0", help="Where in the volume to begin.")
@click.option("--length", type=size, metavar="SIZE", default="0", help="How much; else up to its end.")
@pass_session
def vol_download(session: Session, vol: str, file: Any, pool: str | None, offset: int, length: int) -> None:
    """Write what is in a volume to FILE."""
    with session.connect("storage") as conn:
        found = find_volume(conn, vol, pool)

        def receive() -> None:
            stream = conn.newStream()
            found.download(stream, offset, length)
            stream.recvAll(lambda _, data, __: file.write(data), None)
            stream.finish()

        watched(conn, receive)
        if file.name != "-":
            session.answer(f"Vol {vol} written to {file.name}", name=found.name())


COMMANDS: list[click.Command] = [
    vol_list, vol_info, *TELLING, vol_delete, vol_wipe, vol_resize, vol_clone, vol_upload, vol_download,
]  # fmt: skip
