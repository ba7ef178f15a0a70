"""Commands about the devices of a domain, with virsh's names."""

from __future__ import annotations

from typing import Any

import click

from embervirt.cli.domains import domain_argument, identity
from embervirt.cli.session import XML, Session, command, name_of, pass_session, text_of

LIVE, CONFIG = 1, 2

live_option = click.option(
    "--live", is_flag=True, help="Of the running guest (the default for one that runs)."
)
config_option = click.option("--config", is_flag=True, help="Of the definition.")


@command(name="attach-device")
@domain_argument
@click.argument("file", type=XML)
@live_option
@config_option
@pass_session
def attach_device(session: Session, domain: str, file: Any, live: bool, config: bool) -> None:
    """Give a domain the device that FILE describes."""
    _change(session, domain, file, live * LIVE | config * CONFIG, "attachDeviceFlags", "attached")


@command(name="detach-device")
@domain_argument
@click.argument("file", type=XML)
@live_option
@config_option
@pass_session
def detach_device(session: Session, domain: str, file: Any, live: bool, config: bool) -> None:
    """Take the device that FILE describes from a domain; a guest may take a while to give it back."""
    _change(session, domain, file, live * LIVE | config * CONFIG, "detachDeviceFlags", "detached")


@command(name="update-device")
@domain_argument
@click.argument("file", type=XML)
@live_option
@config_option
@pass_session
def update_device(session: Session, domain: str, file: Any, live: bool, config: bool) -> None:
    """Change a device to what FILE says: another medium, a link's state, a password."""
    _change(session, domain, file, live * LIVE | config * CONFIG, "updateDeviceFlags", "updated")


def _change(session: Session, domain: str, file: Any, flags: int, function: str, done: str) -> None:
    xml = text_of(file)
    with session.domain(domain) as found:
        getattr(found, function)(xml, flags)
        session.answer(f"Device of {name_of(file)} {done}", **identity(found))


COMMANDS = [attach_device, detach_device, update_device]
