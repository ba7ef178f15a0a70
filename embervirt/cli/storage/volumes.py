"""Commands about volumes that are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.objects import part_of, wrap_option, xpath_option
from embervirt.cli.session import Session
from embervirt.cli.storage.common import pool_command, shown, size, volume_command, watched

if TYPE_CHECKING:
    from embervirt.libvirt.storage import virStoragePool, virStorageVol

TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
"""By virStorageVolType."""

ALGORITHMS = (
    "zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim",
)  # fmt: skip
"""By virStorageVolWipeAlgorithm."""


@pool_command("vol-list")
@click.option("--details", is_flag=True, help="With their type and sizes.")
def vol_list(session: Session, pool: virStoragePool, details: bool) -> None:
    """List a pool's volumes."""
    from embervirt.cli import output

    rows = [_row(each) for each in pool.listAllVolumes()]
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


@volume_command("vol-info")
@click.option("--bytes", "plain", is_flag=True, help="Sizes in bytes.")
@click.option("--physical", is_flag=True, help="The length of its file instead of what it uses on disk.")
def vol_info(session: Session, volume: virStorageVol, vol: str, plain: bool, physical: bool) -> None:
    """Show a volume's type and sizes."""
    from embervirt.cli import output

    row = _row(volume, int(physical))
    if session.json:
        click.echo(output.document(row))
        return
    click.echo(f"{'Name:':<16}{row['name']}\n{'Type:':<16}{row['type']}")
    for key in ("capacity", "physical" if physical else "allocation"):
        click.echo(f"{key.capitalize() + ':':<16}{row[key] if plain else shown(row[key])}")


@volume_command("vol-dumpxml")
@xpath_option
@wrap_option
def vol_dumpxml(session: Session, volume: virStorageVol, vol: str, xpath: str | None, wrap: bool) -> None:
    """Print a volume's XML."""
    xml = volume.XMLDesc()
    session.answer(part_of(xml, xpath, wrap), xml=xml)


@volume_command("vol-pool")
@click.option("--uuid", is_flag=True, help="Its UUID instead of its name.")
def vol_pool(session: Session, volume: virStorageVol, vol: str, uuid: bool) -> None:
    """Print the name of a volume's pool."""
    pool = volume.storagePoolLookupByVolume()
    session.answer(pool.UUIDString() if uuid else pool.name(), pool=pool.name(), uuid=pool.UUIDString())


def _tell(key: str, what: Callable[[virStorageVol], str], help_: str) -> click.Command:
    """A command that prints one thing of a volume."""

    def tell(session: Session, volume: virStorageVol, vol: str) -> None:
        session.answer(what(volume), **{key: what(volume)})

    tell.__doc__ = help_
    return volume_command(f"vol-{key}")(tell)


TELLING = [
    _tell("key", lambda volume: volume.key(), "Print a volume's key."),
    _tell("path", lambda volume: volume.path(), "Print a volume's path."),
    _tell("name", lambda volume: volume.name(), "Print a volume's name."),
]


@volume_command("vol-delete")
@click.option("--zeroed", is_flag=True, help="Overwrite it with zeroes before.")
@click.option("--delete-snapshots", is_flag=True, help="With its snapshots, where it can have some.")
def vol_delete(
    session: Session, volume: virStorageVol, vol: str, zeroed: bool, delete_snapshots: bool
) -> None:
    """Remove a volume and its data."""
    watched(volume.connect(), lambda: volume.delete(int(zeroed) | 2 * delete_snapshots))
    session.answer(f"Vol {vol} deleted", name=volume.name())


@volume_command("vol-wipe")
@click.option("--algorithm", default="zero", help="How, as `virsh vol-wipe` has it: zero, nnsa, dod, ...")
def vol_wipe(session: Session, volume: virStorageVol, vol: str, algorithm: str) -> None:
    """Overwrite a volume, with zeroes if nothing else is said."""
    if algorithm not in ALGORITHMS:
        raise click.UsageError(f"unsupported algorithm '{algorithm}': expected {', '.join(ALGORITHMS)}")
    watched(volume.connect(), lambda: volume.wipePattern(ALGORITHMS.index(algorithm)))
    session.answer(f"Vol {vol} wiped", name=volume.name())


@volume_command("vol-resize", alone=False)
@click.argument("capacity")
@click.option("--allocate", is_flag=True, help="Give it that room on disk.")
@click.option("--delta", is_flag=True, help="By CAPACITY, as +10G does.")
@click.option("--shrink", is_flag=True, help="It may become smaller.")
def vol_resize(
    session: Session,
    volume: virStorageVol,
    vol: str,
    capacity: str,
    allocate: bool,
    delta: bool,
    shrink: bool,
) -> None:
    """Make a volume CAPACITY large: 10G, or +10G for so much more."""
    count = size(capacity.lstrip("+-"))
    flags = int(allocate) | 2 * (delta or capacity[0] in "+-") | 4 * (shrink or capacity[0] == "-")
    watched(volume.connect(), lambda: volume.resize(count, flags))
    session.answer(f"Size of volume '{volume.name()}' successfully changed to {capacity}", capacity=count)


@volume_command("vol-clone", alone=False)
@click.argument("newname")
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--reflink", is_flag=True, help="Share its data, or fail.")
@click.option("--print-xml", is_flag=True, help="Only show the XML.")
def vol_clone(
    session: Session, volume: virStorageVol, vol: str, newname: str, prealloc_metadata: bool, reflink: bool,
    print_xml: bool,
) -> None:  # fmt: skip
    """Copy a volume within its pool."""
    xml, flags = _renamed(volume.XMLDesc(), newname), int(prealloc_metadata) | 2 * reflink
    if print_xml:
        click.echo(xml.rstrip("\n"))
        return
    into = volume.storagePoolLookupByVolume()
    made = watched(volume.connect(), lambda: into.createXMLFrom(xml, volume, flags))
    session.answer(f"Vol {newname} cloned from {vol}", name=made.name(), key=made.key())


def _renamed(xml: str, name: str) -> str:
    """The description of a volume under another name, with nothing that is only the first one's."""
    from embervirt.drivers.storage.model import Volume
    from embervirt.drivers.xml import parse, render, replace

    volume = parse(Volume, xml)
    target = replace(volume.target, path=None, timestamps=None)
    return render(replace(volume, name=name, key=None, physical=None, target=target))


COMMANDS: list[click.Command] = [
    vol_list, vol_info, vol_dumpxml, vol_pool, *TELLING, vol_delete, vol_wipe, vol_resize, vol_clone,
]  # fmt: skip
