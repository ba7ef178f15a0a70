"""``embervirt run``: one guest from its XML to its end, and nothing left of it afterwards."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Session, command, pass_session, text_of

if TYPE_CHECKING:
    from embervirt.cli.running import Ended
    from embervirt.libvirt.connect import virConnect

Secrets = tuple[tuple[str, bytes], ...]
"""Each secret's XML and its value."""


def _secrets(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Secrets:
    return tuple(_secret(value) for value in values)


def _secret(option: str) -> tuple[str, bytes]:
    """Of ``XML,FILE``: two files, neither with a comma in its name."""
    paths = [Path(path) for path in option.split(",")]
    if len(paths) != 2:
        raise click.BadParameter(f"'{option}': expected a file of XML, a comma, and a file with the value")
    try:
        return paths[0].read_text("utf-8"), paths[1].read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"'{option}': {error}") from error


@command()
@click.argument("file", type=XML)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="XML,FILE",
    callback=_secrets,
    help="Define the secret of an XML file for this run, with the content of FILE as its value. Repeatable.",
)
@click.pass_context
@pass_session
def run(session: Session, ctx: click.Context, file: Any, secrets: Secrets) -> None:
    """Run the guest that FILE describes until it ends, with its console on this terminal.

    Ctrl-C asks the guest to power off, as SIGTERM and SIGHUP do; a second Ctrl-C kills it. Ctrl-] leaves the
    console. Without --root everything is kept in a temporary directory. The guest, its secrets and that
    directory are gone when the command ends, whatever happens.

    \b
    Exit status: 0    the guest shut down
                 1    it could not be started, or the drivers failed for good
                 3    QEMU crashed, or was killed from outside
                 130  it was killed by the second Ctrl-C
    """
    ended = _run(session, text_of(file), secrets)
    why = ended.ending
    click.echo(f"{'error: ' if why.status else ''}guest '{ended.name}' {why}", err=True)
    if session.json:
        about = {"name": ended.name, "uuid": ended.uuid, "id": ended.id}
        session.answer("", **about, status=why.status, reason=why.reason, why=why.why)
    ctx.exit(why.status)


def _run(session: Session, xml: str, secrets: Secrets) -> Ended:
    """Everything there is at the end is undone, in reverse: console, guest, secrets, root, directory."""
    from embervirt.cli.running import gone_afterwards, run_guest
    from embervirt.cli.signals import Signals

    with ExitStack() as undo:
        signals = undo.enter_context(Signals())
        if session.root is None:
            session.root = undo.enter_context(throwaway_root())
        processes = undo.enter_context(gone_afterwards())
        conn = undo.enter_context(session.connect(make=True))
        for each, value in secrets:
            _define(conn, each, value, undo)
        out = sys.stderr.buffer if session.json else sys.stdout.buffer
        return run_guest(conn, xml, signals, out, processes)


@contextmanager
def throwaway_root() -> Iterator[Path]:
    """A directory that is gone after the ``with``."""
    path = Path(tempfile.mkdtemp(prefix="embervirt-run-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _define(conn: virConnect, xml: str, value: bytes, undo: ExitStack) -> None:
    """A secret the root did not have is gone from it after the run."""
    known = conn.listSecrets()
    secret = conn.secretDefineXML(xml)
    if secret.UUIDString() not in known:
        undo.callback(secret.undefine)
    secret.setValue(value)


COMMANDS = [run]
