"""Commands about networks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.objects import (
    Kind,
    inactive_option,
    name_option,
    show_lines,
    show_rows,
    uuid_option,
    validate_option,
    yes,
)
from embervirt.cli.session import Session, command, pass_session
from embervirt.errors import libvirtError

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.network import virNetwork

NETWORKS = Kind("network", "Network", "net", "network", "network", absent=43)
PROTOCOLS = ("ipv4", "ipv6")
"""By virIPAddrType."""


def _define(conn: virConnect, xml: str, validate: bool) -> virNetwork:
    return conn.networkDefineXMLFlags(xml, int(validate))


def _create(conn: virConnect, xml: str, validate: bool) -> virNetwork:
    return conn.networkCreateXMLFlags(xml, int(validate))


def _text(network: virNetwork) -> str:
    return network.XMLDesc(int(network.isPersistent()))


CHANGING = [
    NETWORKS.making("define", "defined", "Keep the network that FILE describes.", _define, validate_option),
    NETWORKS.making(
        "create",
        "created",
        "Start the network that FILE describes, until it is stopped.",
        _create,
        validate_option,
    ),
    NETWORKS.changing("start", "started", "Start a defined network.", lambda network: network.create()),
    NETWORKS.changing(
        "destroy", "destroyed", "Stop a network; nothing of it is left.", lambda network: network.destroy()
    ),
    NETWORKS.changing(
        "undefine",
        "has been undefined",
        "Forget a network's definition; an active one goes on.",
        lambda network: network.undefine(),
    ),
]


@NETWORKS.command("net-info")
def net_info(session: Session, network: virNetwork) -> None:
    """Show a network's state."""
    row = _row(network)
    if session.json:
        session.answer("", **row)
        return
    lines = {"Name": row["name"], "UUID": row["uuid"]}
    lines |= {key.capitalize(): yes(row[key]) for key in ("active", "persistent", "autostart")}
    show_lines(lines | ({"Bridge": row["bridge"]} if row["bridge"] else {}))


def _row(network: virNetwork) -> dict[str, Any]:
    return {
        "name": network.name(), "uuid": network.UUIDString(), "active": bool(network.isActive()),
        "persistent": bool(network.isPersistent()), "autostart": bool(network.autostart()),
        "bridge": _bridge(network),
    }  # fmt: skip


def _bridge(network: virNetwork) -> str | None:
    try:
        return network.bridgeName()
    except libvirtError:  # it has none
        return None


@command("net-list")
@click.option("--all", "all_", is_flag=True, help="Also those that are not active.")
@click.option("--inactive", is_flag=True, help="Only those that are not active.")
@click.option("--persistent", "flags", multiple=True, flag_value=4, help="Only defined ones.")
@click.option("--transient", "flags", multiple=True, flag_value=8, help="Only those without a definition.")
@click.option("--autostart", "flags", multiple=True, flag_value=16, help="Only those with autostart.")
@click.option("--no-autostart", "flags", multiple=True, flag_value=32, help="Only those without.")
@name_option
@uuid_option
@pass_session
def net_list(
    session: Session, all_: bool, inactive: bool, flags: tuple[int, ...], only: tuple[str, ...]
) -> None:
    """List networks."""
    states = 0 if all_ else 1 if inactive else 2
    with session.connect("network") as conn:
        rows = [_row(each) for each in conn.listAllNetworks(states | sum(set(flags)))]
    show_rows(session, rows, only, _show)


def _show(rows: list[dict[str, Any]]) -> None:
    from embervirt.cli import output

    cells = (
        [
            row["name"],
            "active" if row["active"] else "inactive",
            yes(row["autostart"]),
            yes(row["persistent"]),
        ]
        for row in rows
    )
    output.show_table(["Name", "State", "Autostart", "Persistent"], cells)


@NETWORKS.command("net-dhcp-leases")
@click.option("--mac", help="Only of the guest with this address.")
def net_dhcp_leases(session: Session, network: virNetwork, mac: str | None) -> None:
    """List the addresses that a network's DHCP server has given."""
    leases = sorted(network.DHCPLeases(mac), key=lambda lease: (lease["mac"] or "", lease["ipaddr"]))
    show_rows(session, leases, (), _show_leases)


def _show_leases(leases: list[dict[str, Any]]) -> None:
    from embervirt.cli import output

    headers = ["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID"]
    output.show_table(headers, map(_lease, leases))


def _lease(lease: dict[str, Any]) -> list[str]:
    expiry = datetime.fromtimestamp(lease["expirytime"]).astimezone()
    return [
        f"{expiry:%Y-%m-%d %H:%M:%S}" if lease["expirytime"] else "infinite",
        lease["mac"] or "-",
        PROTOCOLS[lease["type"]],
        f"{lease['ipaddr']}/{lease['prefix']}",
        lease["hostname"] or "-",
        lease["clientid"] or "-",
    ]


COMMANDS: list[click.Command] = [
    *CHANGING, NETWORKS.autostarting(), NETWORKS.dumping(inactive_option), NETWORKS.editing(_text), net_info,
    net_list, net_dhcp_leases, *NETWORKS.telling(),
]  # fmt: skip
