"""The command line, ``embervirt``. It is light to import: a command imports what it needs when it runs."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import click

from embervirt.cli.cards import COMMANDS as CARDS
from embervirt.cli.console import COMMANDS as CONSOLE
from embervirt.cli.devices import COMMANDS as DEVICES
from embervirt.cli.domains import COMMANDS as DOMAINS
from embervirt.cli.events import COMMANDS as EVENTS
from embervirt.cli.host import COMMANDS as HOST
from embervirt.cli.inspect import COMMANDS as INSPECT
from embervirt.cli.looking import COMMANDS as LOOKING
from embervirt.cli.network import COMMANDS as NETWORK
from embervirt.cli.operations import COMMANDS as OPERATIONS
from embervirt.cli.power import COMMANDS as POWER
from embervirt.cli.run import COMMANDS as RUN
from embervirt.cli.secrets import COMMANDS as SECRETS
from embervirt.cli.session import Refused, Session
from embervirt.cli.storage import COMMANDS as STORAGE
from embervirt.errors import libvirtError


class Group(click.Group):
    """Ends with one line on standard error, never a traceback, when a call or a file refuses."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except libvirtError as error:
            raise Refused(str(error)) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Refused(f"{where}{error.strerror or error}") from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--root",
    envvar="EMBERVIRT_ROOT",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The root directory everything is kept in; also EMBERVIRT_ROOT.",
)
@click.option("--json", is_flag=True, help="Answer as JSON, events as JSON lines.")
@click.version_option(package_name="embervirt", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, root: Path | None, json: bool) -> None:
    """QEMU guests, their storage, networks and secrets under one root directory, without a daemon.

    A command opens the root, does its work, and leaves the root; guests run on, and the next command finds
    them. While another process has the root open, commands are refused and say who has it.

    DOM is a domain's name, UUID or id; FILE may be - for standard input. Exit status: 0 done, 1 refused
    (the reason is on standard error), 2 not a valid command line; see also `embervirt run --help`.
    """
    ctx.obj = Session(None if root is None else root.absolute(), json)


DOMAIN = (DOMAINS, POWER, DEVICES, CARDS, LOOKING, CONSOLE, RUN)
ALL = (*DOMAIN, EVENTS, SECRETS, STORAGE, NETWORK, OPERATIONS, HOST, INSPECT)

for _command in chain.from_iterable(ALL):
    main.add_command(_command)
