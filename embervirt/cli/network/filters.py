"""Commands about network filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.objects import Kind, show_rows, validate_option
from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.network import virNWFilter

FILTERS = Kind("nwfilter", "Network filter", "nwfilter", "network", "nwfilter", absent=62)


def _define(conn: virConnect, xml: str, validate: bool) -> virNWFilter:
    return conn.nwfilterDefineXMLFlags(xml, int(validate))


def _text(nwfilter: virNWFilter) -> str:
    return nwfilter.XMLDesc()


@command("nwfilter-list")
@pass_session
def nwfilter_list(session: Session) -> None:
    """List the network filters, the built-in ones among them."""
    with session.connect("network") as conn:
        rows = [{"uuid": each.UUIDString(), "name": each.name()} for each in conn.listAllNWFilters()]
    show_rows(session, rows, (), _show)


def _show(rows: list[dict[str, Any]]) -> None:
    from embervirt.cli import output

    output.show_table(["UUID", "Name"], ([row["uuid"], row["name"]] for row in rows))


COMMANDS: list[click.Command] = [
    FILTERS.making("define", "defined", "Keep the filter that FILE describes.", _define, validate_option),
    FILTERS.changing("undefine", "undefined", "Forget a filter.", lambda nwfilter: nwfilter.undefine()),
    FILTERS.dumping(),
    FILTERS.editing(_text),
    nwfilter_list,
]
