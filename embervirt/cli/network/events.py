"""The command ``net-event``: waits for what happens to networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.network.networks import NETWORKS
from embervirt.cli.session import Session, command, pass_session
from embervirt.cli.waiting import Told, chosen, wait_and_show, waiting_words

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

EVENTS = ("lifecycle",)
"""By virNetworkEventID."""

LIFECYCLES = ("Defined", "Undefined", "Started", "Stopped")
"""By virNetworkEventLifecycleType."""


@command("net-event")
@click.option("--network", help="Only of this network, by name or UUID.")
@click.option("--event", "wanted", type=click.Choice(EVENTS), help="Which one is waited for.")
@waiting_words
@pass_session
def net_event(
    session: Session, network: str | None, wanted: str | None, loop: bool, timeout: int | None,
    timestamp: bool, list_: bool,
) -> None:  # fmt: skip
    """Wait for an event of a network; this command owns the root meanwhile."""
    event = chosen(EVENTS, wanted, list_)
    if event is None:
        return
    with session.connect("network") as conn:
        told = Told()
        found = None if network is None else NETWORKS.find(conn, network)
        conn.networkEventRegisterAny(found, event, _lifecycle, told)
        wait_and_show(told, loop, timeout, timestamp)


def _lifecycle(_: virConnect, network: Any, event: int, __: int, told: Told) -> None:
    told.put(f"event 'lifecycle' for network {network.name()}: {words.word(LIFECYCLES, event)}")


COMMANDS: list[click.Command] = [net_event]
