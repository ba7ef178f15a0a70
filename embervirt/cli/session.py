"""What every command works with: the root it is for, the connection to it, and how it answers.

Only click is imported here and in the commands' modules: the rest is imported by the command that runs,
so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embervirt.errors import libvirtError

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.domain import virDomain

XML = click.File("rb")
"""Type of a FILE argument: a path, or ``-`` for standard input."""


class Refused(click.ClickException):
    """Ends the command with ``error: MESSAGE`` on standard error and exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print it."""
        click.echo(f"error: {self.message}", err=True)


@dataclass
class Session:
    """One run of the command line. ``root`` is absolute, or None when none was given."""

    root: Path | None
    json: bool = False

    def uri(self, driver: str) -> str:
        """The URI of a driver under the root. Raises click.UsageError when no root was given."""
        from embervirt.uri import EmbedUri

        if self.root is None:
            raise click.UsageError("no root: give --root DIR before the command, or set EMBERVIRT_ROOT")
        return str(EmbedUri(driver, self.root))

    @contextmanager
    def connect(self, driver: str = "qemu", *, make: bool = False) -> Iterator[virConnect]:
        """The root, open until the end of the ``with``; guests run on after that.

        A root that is not there is made only when ``make`` says so, else a mistyped path would be one.
        """
        uri = self.uri(driver)
        if not make and self.root is not None and not self.root.is_dir():
            raise Refused(f"root {self.root} does not exist; `define`, `create` and `secret-define` make it")
        from embervirt.libvirt.library import open as connect
        from embervirt.runtime.systemd import fed

        _log(self.root)
        with connect(uri) as conn, fed():
            yield conn

    @contextmanager
    def domain(self, wanted: str) -> Iterator[virDomain]:
        """The domain with that name, UUID or id, as long as the ``with`` lasts."""
        with self.connect() as conn:
            yield find(conn, wanted)

    def answer(self, text: str, **data: Any) -> None:
        """What was done: ``text``, or ``data`` as a JSON document."""
        from embervirt.cli import output

        click.echo(output.document(data) if self.json else text)


def _log(root: Path | None) -> None:
    """Log lines go to standard error, from the level of the setting ``log.level`` on.

    What the QMP library says is for those who debug: a failure it logs reaches us as an exception too.
    """
    import logging

    from embervirt.config.load import load

    level = load(root, os.environ).settings.log.level.upper()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("embervirt").setLevel(level)
    logging.getLogger("embervirt.qmp").propagate = level == "DEBUG"


def find(conn: virConnect, wanted: str) -> virDomain:
    """By id, UUID or name, tried in virsh's order. Raises NoDomain."""
    from embervirt.drivers.qemu.errors import NoDomain

    tries: list[Callable[[], virDomain]] = []
    if wanted.isascii() and wanted.isdigit():
        tries.append(lambda: conn.lookupByID(int(wanted)))
    if len(wanted) == 36:
        tries.append(lambda: conn.lookupByUUIDString(wanted))
    tries.append(lambda: conn.lookupByName(wanted))
    for lookup in tries:
        try:
            return lookup()
        except libvirtError as error:
            if error.get_error_code() not in (NoDomain.code, 8):
                raise
    raise NoDomain(f"no domain has the name, UUID or id '{wanted}' under {conn.root.paths.path}")


def text_of(file: Any) -> str:
    """The XML of a FILE argument. Raises Refused when it is not UTF-8."""
    content: bytes = file.read()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{name_of(file)}: not UTF-8 at byte {error.start}") from error


def name_of(file: Any) -> str:
    """Of a FILE argument, for messages."""
    name = str(getattr(file, "name", "<stdin>"))
    return "standard input" if name == "<stdin>" else name


class Command(click.Command):
    """A command that knows ``--json`` too, as the group does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--json"], is_flag=True, expose_value=False, callback=_json, help="Answer as JSON.")
        )


def _json(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.ensure_object(Session).json = True


command = partial(click.command, cls=Command)
pass_session = click.make_pass_decorator(Session)
