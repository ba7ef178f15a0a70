"""The command ``net-update``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embervirt.cli.network.networks import NETWORKS
from embervirt.cli.session import Refused, Session

if TYPE_CHECKING:
    from embervirt.libvirt.network import virNetwork

LIVE, CONFIG = 1, 2
CHANGES = {"modify": 1, "delete": 2, "add-last": 3, "add-first": 4, "add": 3}
"""virNetworkUpdateCommand."""

SECTIONS = (
    "bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward", "forward-interface", "forward-pf",
    "portgroup", "dns-host", "dns-txt", "dns-srv",
)  # fmt: skip
"""By virNetworkUpdateSection, from 1 on."""


def element(text: str) -> str:
    """XML as it stands, or what is in the file of that name; - is standard input. Raises Refused."""
    if text.lstrip().startswith("<"):
        return text
    try:
        return sys.stdin.read() if text == "-" else Path(text).read_text()
    except UnicodeDecodeError as error:
        raise Refused(f"{text}: not UTF-8 at byte {error.start}") from error


@NETWORKS.command("net-update")
@click.argument("change", metavar="COMMAND", type=click.Choice(list(CHANGES)))
@click.argument("section", type=click.Choice(SECTIONS))
@click.argument("xml")
@click.option("--parent-index", type=int, default=-1, metavar="N", help="Which <ip>, from 0 on; else any.")
@click.option("--live", is_flag=True, help="Of the active network.")
@click.option("--config", is_flag=True, help="Of its definition.")
@click.option("--current", is_flag=True, help="Of whichever it is; so it is without these three.")
def net_update(
    session: Session,
    network: virNetwork,
    change: str,
    section: str,
    xml: str,
    parent_index: int,
    live: bool,
    config: bool,
    current: bool,
) -> None:
    """Change one section of a network: COMMAND is add-first, add-last (add), modify or delete.

    XML is an element, or a file with one.
    """
    if current and (live or config):
        raise click.UsageError(f"--current and {'--live' if live else '--config'} are mutually exclusive")
    flags = live * LIVE | config * CONFIG
    network.update(CHANGES[change], SECTIONS.index(section) + 1, parent_index, element(xml), flags)
    of_live = live or (not config and bool(network.isActive()))
    changed = ["persistent config"] * (config or not of_live) + ["live state"] * of_live
    text = f"Updated network {network.name()} {' and '.join(changed)}"
    session.answer(text, name=network.name(), uuid=network.UUIDString(), changed=changed)


COMMANDS: list[click.Command] = [net_update]
