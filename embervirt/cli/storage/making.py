"""Commands that make pools and volumes out of words instead of XML."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Session, command, pass_session, text_of
from embervirt.cli.storage.common import find_volume, pool_command, size, watched
from embervirt.cli.storage.pools import build_flags, with_build

if TYPE_CHECKING:
    from embervirt.libvirt.storage import virStoragePool

POOL_WORDS = (
    click.argument("name"),
    click.argument("kind", metavar="TYPE"),
    click.option("--target", help="The path it appears at."),
    click.option("--source-host", help="The server it is on."),
    click.option("--source-path", help="The directory it is in, of that server."),
    click.option("--source-dev", help="The device it lies on."),
    click.option("--source-name", help="The name of its source: of a volume group, say."),
    click.option("--source-format", help="The format of its source."),
    click.option("--source-protocol-ver", metavar="VERSION", help="Of NFS."),
    click.option("--source-initiator", metavar="IQN", help="The name that this host has for iSCSI."),
    click.option("--auth-type", help="How one logs in: chap or ceph."),
    click.option("--auth-username", help="As whom."),
    click.option("--secret-usage", help="The usage of the secret with the password."),
    click.option("--secret-uuid", help="The UUID of the secret with the password."),
    click.option("--adapter-name", help="The SCSI adapter that its devices are at."),
    click.option("--adapter-wwnn", help="The node name of a virtual one."),
    click.option("--adapter-wwpn", help="The port name of a virtual one."),
    click.option("--adapter-parent", help="The adapter that this one is of."),
    click.option("--adapter-parent-wwnn", help="That one's node name."),
    click.option("--adapter-parent-wwpn", help="That one's port name."),
    click.option("--adapter-parent-fabric-wwn", help="That one's fabric name."),
    click.option("--print-xml", is_flag=True, help="Only show the XML."),
)


def pool_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """What describes a pool."""
    for option in reversed(POOL_WORDS):
        function = option(function)
    return function


def pool_xml(name: str, kind: str, words: dict[str, Any]) -> str:
    """A pool's XML out of words."""
    from embervirt.drivers.storage.model import Device, Dir, Host, Initiator, Pool, PoolTarget, Source
    from embervirt.drivers.storage.model.source import Format, Named, Protocol
    from embervirt.drivers.xml import render

    def made(cls: Callable[..., Any], field: str, word: str) -> Any:
        return cls(**{field: words[word]}) if words[word] else None

    host, device, iqn = (words[each] for each in ("source_host", "source_dev", "source_initiator"))
    source = Source(
        hosts=(Host(name=host),) if host else (),
        devices=(Device(path=device),) if device else (),
        dir=made(Dir, "path", "source_path"),
        adapter=_adapter(words),
        name=words["source_name"],
        initiator=Initiator(iqn=Named(name=iqn)) if iqn else None,
        format=made(Format, "type", "source_format"),
        auth=_auth(words),
        protocol=made(Protocol, "ver", "source_protocol_ver"),
    )
    return render(Pool(type=kind, name=name, source=source, target=made(PoolTarget, "path", "target")))


def _adapter(words: dict[str, Any]) -> Any:
    """By its name, or a virtual one by its world-wide names."""
    from embervirt.drivers.storage.model import Adapter

    fields = ("parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn", "wwnn", "wwpn")
    given = {field: words[f"adapter_{field}"] for field in fields if words[f"adapter_{field}"]}
    if words["adapter_name"]:
        return Adapter(type="scsi_host", name=words["adapter_name"])
    return Adapter(type="fc_host", **given) if given else None


def _auth(words: dict[str, Any]) -> Any:
    from embervirt.drivers.storage.model import Auth, AuthSecret

    if not words["auth_username"] and not words["auth_type"]:
        return None
    secret = AuthSecret(usage=words["secret_usage"], uuid=words["secret_uuid"])
    return Auth(type=words["auth_type"], username=words["auth_username"], secret=secret)


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


@pool_command("vol-create-as")
@click.argument("name")
@click.argument("capacity", type=size)
@click.option("--allocation", type=size, metavar="SIZE", help="Room on disk from the beginning; else all.")
@click.option("--format", "format_", help="Of the image: raw, qcow2, ...")
@click.option("--backing-vol", help="The volume it lies upon, by name, key or path.")
@click.option("--backing-vol-format", help="That one's format.")
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@click.option("--print-xml", is_flag=True, help="Only show the XML.")
def vol_create_as(session: Session, pool: virStoragePool, name: str, print_xml: bool, **words: Any) -> None:
    """Make a volume of CAPACITY (10G) in a pool."""
    flags = int(words.pop("prealloc_metadata")) | 4 * words.pop("validate")
    conn, backing = pool.connect(), words.pop("backing_vol")
    path = None if backing is None else find_volume(conn, backing, pool.name()).path()
    xml = volume_xml(name, backing=path, **words)
    if print_xml:
        click.echo(xml.rstrip("\n"))
        return
    made = watched(conn, lambda: pool.createXML(xml, flags))
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


@pool_command("vol-create")
@click.argument("file", type=XML)
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
def vol_create(
    session: Session, pool: virStoragePool, file: Any, prealloc_metadata: bool, validate: bool
) -> None:
    """Make the volume that FILE describes."""
    xml, flags = text_of(file), int(prealloc_metadata) | 4 * validate
    made = watched(pool.connect(), lambda: pool.createXML(xml, flags))
    session.answer(f"Vol {made.name()} created from {file.name}", name=made.name(), key=made.key())


@pool_command("vol-create-from")
@click.argument("file", type=XML)
@click.argument("vol")
@click.option("--inputpool", help="The pool of VOL; else POOL.")
@click.option("--prealloc-metadata", is_flag=True, help="Give a qcow2 its tables from the beginning.")
@click.option("--reflink", is_flag=True, help="Share the data of VOL, or fail.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
def vol_create_from(
    session: Session, pool: virStoragePool, file: Any, vol: str, inputpool: str | None, validate: bool,
    prealloc_metadata: bool, reflink: bool,
) -> None:  # fmt: skip
    """Make the volume that FILE describes with the data of VOL."""
    xml, flags = text_of(file), int(prealloc_metadata) | 2 * reflink | 4 * validate
    conn = pool.connect()
    source = find_volume(conn, vol, inputpool or pool.name())
    made = watched(conn, lambda: pool.createXMLFrom(xml, source, flags))
    text = f"Vol {made.name()} created from input vol {source.name()}"
    session.answer(text, name=made.name(), key=made.key())


COMMANDS: list[click.Command] = [pool_define_as, pool_create_as, vol_create_as, vol_create, vol_create_from]
