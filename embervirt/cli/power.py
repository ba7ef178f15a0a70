"""Commands that restart guests and settle when they start, with virsh's names."""

from __future__ import annotations

import click

from embervirt.cli.domains import domain_argument, identity
from embervirt.cli.session import Session, command, pass_session

MODES = {"acpi": 1, "agent": 2}


@command()
@domain_argument
@click.option("--mode", type=click.Choice(list(MODES)), help="By power button, or by the guest's agent.")
@pass_session
def reboot(session: Session, domain: str, mode: str | None) -> None:
    """Ask a guest to shut down and start again."""
    with session.domain(domain) as found:
        found.reboot(MODES[mode] if mode else 0)
        session.answer(f"Domain '{found.name()}' is being rebooted", **identity(found))


@command()
@domain_argument
@pass_session
def reset(session: Session, domain: str) -> None:
    """Press a domain's reset button."""
    with session.domain(domain) as found:
        found.reset()
        session.answer(f"Domain '{found.name()}' was reset", **identity(found))


@command()
@domain_argument
@click.option("--disable", is_flag=True, help="No longer.")
@pass_session
def autostart(session: Session, domain: str, disable: bool) -> None:
    """Start a domain with the host: when the root is first opened after the host's start."""
    with session.domain(domain) as found:
        found.setAutostart(int(not disable))
        how = "unmarked as" if disable else "marked as"
        session.answer(f"Domain '{found.name()}' {how} autostarted", **identity(found), autostart=not disable)


@command(name="domrename")
@domain_argument
@click.argument("name")
@pass_session
def domrename(session: Session, domain: str, name: str) -> None:
    """Give a domain that does not run another NAME."""
    with session.domain(domain) as found:
        found.rename(name)
        session.answer(f"Domain successfully renamed to '{name}'", name=name, uuid=found.UUIDString())


COMMANDS = [reboot, reset, autostart, domrename]
