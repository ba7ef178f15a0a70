"""Commands about what pools could be made of: kinds and formats, and sources that are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Session, command, pass_session, text_of

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

Run = Callable[..., None]

kind_argument = click.argument("kind", metavar="TYPE")


@command("pool-capabilities")
@pass_session
def pool_capabilities(session: Session) -> None:
    """Print which kinds of pools and volumes there are, as XML."""
    with session.connect("storage") as conn:
        _answer(session, conn.getStoragePoolCapabilities())


@command("find-storage-pool-sources")
@kind_argument
@click.argument("file", metavar="[FILE]", type=XML, required=False)
@click.option("--srcSpec", "spec", type=XML, metavar="FILE", help="A <source> that says where to look.")
@pass_session
def find_sources(session: Session, kind: str, file: Any, spec: Any) -> None:
    """Print what pools of that TYPE could be made of, as XML; FILE says where to look."""
    if file and spec:
        raise click.UsageError("give one of FILE and --srcSpec")
    wanted = text_of(file or spec) if file or spec else None
    with session.connect("storage") as conn:
        _find(session, conn, kind, wanted)


def _or_option(name: str, what: str) -> Callable[[Run], Run]:
    """A word that virsh takes at its place and by its name."""

    def made(function: Run) -> Run:
        given = click.argument(f"{name}_", metavar=f"[{name.upper()}]", required=False)
        return given(click.option(f"--{name}", help=what)(function))

    return made


@command("find-storage-pool-sources-as")
@kind_argument
@_or_option("host", "The server to ask.")
@_or_option("port", "Its port.")
@_or_option("initiator", "The IQN that this host has for iSCSI.")
@pass_session
def find_sources_as(session: Session, /, kind: str, **words: str | None) -> None:
    """Print what pools of that TYPE could be made of, as XML; HOST is asked for it."""
    host, port, initiator = (words[name] or words[f"{name}_"] for name in ("host", "port", "initiator"))
    if not host and (port or initiator):
        raise click.UsageError("--port and --initiator need a --host")
    with session.connect("storage") as conn:
        _find(session, conn, kind, source_xml(host, port, initiator) if host else None)


def source_xml(host: str, port: str | None, initiator: str | None) -> str:
    """A ``<source>`` that says whom to ask. Raises click.BadParameter for a port that is no number."""
    from embervirt.drivers.storage.model import Host, Initiator, Source
    from embervirt.drivers.storage.model.source import Named
    from embervirt.drivers.xml import render

    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise click.BadParameter(f"{port!r} is no port: expected a number from 1 to 65535")
    iqn = Initiator(iqn=Named(name=initiator)) if initiator else None
    return render(Source(hosts=(Host(name=host, port=int(port) if port else None),), initiator=iqn))


def _find(session: Session, conn: virConnect, kind: str, source: str | None) -> None:
    _answer(session, conn.findStoragePoolSources(kind, source))


def _answer(session: Session, xml: str) -> None:
    session.answer(xml.rstrip("\n"), xml=xml)


COMMANDS: list[click.Command] = [pool_capabilities, find_sources, find_sources_as]
