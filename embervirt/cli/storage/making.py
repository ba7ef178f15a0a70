"""Commands that make pools and volumes out of words instead of XML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from embervirt.cli.session import XML, Session, command, pass_session, text_of
from embervirt.cli.storage.common import find_pool, find_volume, pool_argument, size, watched
from embervirt.cli.storage.pools import build_flags, with_build

POOL_WORDS = (
    click.argument("name"),
    click.argument("kind", metavar="TYPE"),
    click.option("--target", help="The path it appears at."),
    click.option("--source-dev", help="The device it lies on."),
    click.option("--source-name", help="The name of its source: of a volume group, say."),
    click.option("--source-format", help="The format of its source."),
    click.option("--print-xml", is_flag=True, help="Only show the XML."),
)


def pool_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """What describes a pool."""
    for option in reversed(POOL_WORDS):
        function = option(function)
    return function


def pool_xml(name: str, kind: str, words: dict[str, Any]) -> str:
    """A pool's XML out of words."""
    from embervirt.drivers.storage.model import Device, Pool, PoolTarget, Source
    from embervirt.drivers.storage.model.source import Format
    from embervirt.drivers.xml import render

    device, named, format_ = words["source_dev"], words["source_name"], words["source_format"]
    source = Source(
        devices=(Device(path=device),) if device else (),
        name=named,
        format=Format(type=format_) if format_ else None,
    )
    target = PoolTarget(path=words["target"]) if words["target"] else None
    return render(Pool(type=kind, name=name, source=source, target=target))


@command("pool-define-as")
@pool_words
@pass_session
def pool_define_as(session: Session, /, name: str, kind: str, print_xml: bool, **words: Any) -> None:
    """Keep a pool of that NAME and TYPE; it is not started."""
    xml = pool_xml(name, kind, words)
    if print_xml:
        click.echo(xml.rstrip("\n"))
        return
    with session.connect("storage", make=True) as conn:
        made = conn.storagePoolDefineXML(xml)
        session.answer(f"Pool {name} defined", name=name, uuid=made.UUIDString())


@command("pool-create-as")
@pool_words
@with_build
@pass_session
def pool_create_as(
    session: Session, /, name: str, kind: str, print_xml: bool, build: bool, overwrite: bool,
    no_overwrite: bool, **words: Any,
) -> None:  # fmt: skip
    """Start a pool of that NAME and TYPE; it is forgotten when it is stopped."""
    xml, flags = pool_xml(name, kind, words), build_flags(build, overwrite, no_overwrite)
    if print_xml:
        click.echo(xml.rstrip("\n"))
        return
    with session.connect("storage", make=True) as conn:
        made = watched(conn, lambda: conn.storagePoolCreateXML(xml, flags))
        session.answer(f"Pool {name} created", name=name, uuid=made.UUIDString())


@command("vol-create-as")
@pool_argument
@click.argument("name")
@click.argument("capacity", type=size)
@click.option("--allocation", type=size, metavar="SIZE", help="Room on disk from the beginning; else all.")
@click.option("--format", "format_", help="Of the image: raw, qcow2, ...")
@click.option("--backing-vol", help="The volume it lies upon, by name, key or path.")
@click.option("--backing-vol-format", help="That one's format.")
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@click.option("--print-xml", is_flag=True, help="Only show the XML.")
@pass_session
def vol_create_as(session: Session, /, pool: str, name: str, print_xml: bool, **words: Any) -> None:
    """Make a volume of CAPACITY (10G) in a pool."""
    flags = int(words.pop("prealloc_metadata")) | 4 * words.pop("validate")
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        backing = words.pop("backing_vol")
        path = None if backing is None else find_volume(conn, backing, pool).path()
        xml = volume_xml(name, backing=path, **words)
        if print_xml:
            click.echo(xml.rstrip("\n"))
            return
        made = watched(conn, lambda: found.createXML(xml, flags))
        session.answer(f"Vol {name} created", name=name, key=made.key())


def volume_xml(
    name: str, *, capacity: int, allocation: int | None, format_: str | None, backing: str | None,
    backing_vol_format: str | None,
) -> str:  # fmt: skip
    """A volume's XML out of words."""
    from embervirt.drivers.storage.model import BackingStore, Volume, VolumeTarget
    from embervirt.drivers.storage.model.source import Format
    from embervirt.drivers.xml import render

    below = Format(type=backing_vol_format) if backing_vol_format else None
    return render(
        Volume(
            name=name,
            capacity=capacity,
            allocation=allocation,
            target=VolumeTarget(format=Format(type=format_) if format_ else None),
            backing=BackingStore(path=backing, format=below) if backing else None,
        )
    )


@command("vol-create")
@pool_argument
@click.argument("file", type=XML)
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@pass_session
def vol_create(session: Session, pool: str, file: Any, prealloc_metadata: bool, validate: bool) -> None:
    """Make the volume that FILE describes."""
    xml = text_of(file)
    with session.connect("storage") as conn:
        found = find_pool(conn, pool)
        made = watched(conn, lambda: found.createXML(xml, int(prealloc_metadata) | 4 * validate))
        session.answer(f"Vol {made.name()} created from {file.name}", name=made.name(), key=made.key())


@command("vol-create-from")
@pool_argument
@click.argument("file", type=XML)
@click.argument("vol")
@click.option("--inputpool", help="The pool of VOL; else POOL.")
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--reflink", is_flag=True, help="Share the data of VOL, or fail.")
@pass_session
def vol_create_from(
    session: Session, pool: str, file: Any, vol: str, inputpool: str | None, prealloc_metadata: bool,
    reflink: bool,
) -> None:  # fmt: skip
    """Make the volume that FILE describes with the data of VOL."""
    xml, flags = text_of(file), int(prealloc_metadata) | 2 * reflink
    with session.connect("storage") as conn:
        found, source = find_pool(conn, pool), find_volume(conn, vol, inputpool or pool)
        made = watched(conn, lambda: found.createXMLFrom(xml, source, flags))
        text = f"Vol {made.name()} created from input vol {source.name()}"
        session.answer(text, name=made.name(), key=made.key())


COMMANDS: list[click.Command] = [pool_define_as, pool_create_as, vol_create_as, vol_create, vol_create_from]
