"""The command ``operations``: what became of each change of a guest, also of those nobody waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from embervirt.drivers.root.journal import Operation


@command()
@click.argument("id", required=False, metavar="[ID]")
@click.option("--open", "open_only", is_flag=True, help="Only those of which nobody knows the outcome yet.")
@pass_session
def operations(session: Session, id: str | None, open_only: bool) -> None:
    """List the last operations, or show the one that a timed-out or interrupted call named."""
    from embervirt.cli import output

    with session.connect() as conn:
        found = [conn.root.operation(id)] if id else conn.root.journal.values()
    shown = [each for each in found if each.state == "open" or not open_only]
    if session.json:
        click.echo(output.document(shown))
    else:
        headers = ["Id", "Operation", "Domain", "State", "Steps", "Error"]
        output.show_table(headers, (_cells(each) for each in shown))


def _cells(each: Operation) -> list[str]:
    return [each.id, each.what, each.subject, each.state, " ".join(each.steps), each.error]


COMMANDS = [operations]
