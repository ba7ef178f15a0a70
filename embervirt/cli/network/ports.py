"""Commands about the ports of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.network.networks import NETWORKS
from embervirt.cli.objects import part_of, show_rows, uuid_option, validate_option, wrap_option, xpath_option
from embervirt.cli.session import XML, Session, name_of, text_of

if TYPE_CHECKING:
    from embervirt.libvirt.network import virNetwork

port_argument = click.argument("port")
"""A port's UUID."""


@NETWORKS.command("net-port-list")
@uuid_option
def net_port_list(session: Session, network: virNetwork, only: tuple[str, ...]) -> None:
    """List a network's ports by their UUIDs."""
    from embervirt.cli import output

    def show(rows: list[dict[str, Any]]) -> None:
        output.show_table(["UUID"], ([row["uuid"]] for row in rows))

    show_rows(session, [{"uuid": each.UUIDString()} for each in network.listAllPorts()], only, show)


@NETWORKS.command("net-port-create")
@click.argument("file", type=XML)
@validate_option
def net_port_create(session: Session, network: virNetwork, file: Any, validate: bool) -> None:
    """Give a network the port that FILE describes."""
    uuid = network.portCreateXML(text_of(file), 2 * validate).UUIDString()
    session.answer(f"Network port {uuid} created from {name_of(file)}", uuid=uuid)


@NETWORKS.command("net-port-dumpxml")
@port_argument
@xpath_option
@wrap_option
def net_port_dumpxml(session: Session, network: virNetwork, port: str, xpath: str | None, wrap: bool) -> None:
    """Print a port's XML."""
    found = network.portLookupByUUIDString(port)
    xml = found.XMLDesc()
    session.answer(part_of(xml, xpath, wrap), uuid=found.UUIDString(), xml=xml)


@NETWORKS.command("net-port-delete")
@port_argument
def net_port_delete(session: Session, network: virNetwork, port: str) -> None:
    """Take a port from a network; what was set on its tap goes."""
    found = network.portLookupByUUIDString(port)
    found.delete()
    session.answer(f"Network port {found.UUIDString()} deleted", uuid=found.UUIDString())


COMMANDS: list[click.Command] = [net_port_list, net_port_create, net_port_dumpxml, net_port_delete]
