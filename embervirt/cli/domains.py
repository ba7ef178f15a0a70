"""Commands about domains that exist: looking at them and changing their state, with virsh's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import XML, Refused, Session, command, name_of, pass_session, text_of

if TYPE_CHECKING:
    from embervirt.libvirt.domain import virDomain

domain_argument = click.argument("domain", metavar="DOM")
"""A domain's name, UUID or id."""


@command()
@click.argument("file", type=XML)
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@pass_session
def define(session: Session, file: Any, validate: bool) -> None:
    """Keep the domain that FILE describes, without starting it."""
    xml = text_of(file)
    with session.connect(make=True) as conn:
        domain = conn.defineXMLFlags(xml, int(validate))
        session.answer(f"Domain '{domain.name()}' defined from {name_of(file)}", **identity(domain))


@command()
@click.argument("file", type=XML)
@click.option("--paused", is_flag=True, help="Leave it paused.")
@click.option("--validate", is_flag=True, help="Refuse elements that nobody knows.")
@pass_session
def create(session: Session, file: Any, paused: bool, validate: bool) -> None:
    """Start the domain that FILE describes; it is gone once it ends."""
    xml = text_of(file)
    with session.connect(make=True) as conn:
        domain = conn.createXML(xml, int(paused) | 16 * validate)
        session.answer(f"Domain '{domain.name()}' created from {name_of(file)}", **identity(domain))


@command()
@domain_argument
@click.option("--paused", is_flag=True, help="Leave it paused.")
@pass_session
def start(session: Session, domain: str, paused: bool) -> None:
    """Start a defined domain."""
    with session.domain(domain) as found:
        found.createWithFlags(int(paused))
        session.answer(f"Domain '{found.name()}' started", **identity(found))


@command()
@domain_argument
@click.option("--graceful", is_flag=True, help="Only ask QEMU; fail when it does not obey.")
@pass_session
def destroy(session: Session, domain: str, graceful: bool) -> None:
    """End a domain now, as pulling the plug does."""
    with session.domain(domain) as found:
        found.destroyFlags(int(graceful))
        session.answer(f"Domain '{found.name()}' destroyed", **identity(found))


@command()
@domain_argument
@click.option("--wait", type=click.FloatRange(min=0), metavar="SECONDS", help="Return when it is off.")
@pass_session
def shutdown(session: Session, domain: str, wait: float | None) -> None:
    """Press a domain's power button; the guest decides what that means.

    Without --wait the command returns at once, and the end of the guest is settled by the next command.
    """
    from embervirt.cli.watch import wait_for_end

    with session.domain(domain) as found:
        root, id_ = found.connect().root, found.ID()
        with root.subscribe() as subscription:
            found.shutdown()
            if wait is not None and not wait_for_end(subscription, id_, wait):
                raise Refused(f"domain '{found.name()}' was asked to power off {wait:g} s ago and still runs")
        done = "is being shut down" if wait is None else "shut down"
        session.answer(f"Domain '{found.name()}' {done}", name=found.name(), uuid=found.UUIDString(), id=id_)


@command()
@domain_argument
@click.option("--patience", type=click.FloatRange(min=0), default=60.0, metavar="SECONDS", show_default=True,
              help="What the guest is given for its own shutdown.")  # fmt: skip
@pass_session
def end(session: Session, domain: str, patience: float) -> None:
    """End a domain, as gently as it lets itself be: power button, QEMU's quit, SIGTERM, SIGKILL."""
    with session.domain(domain) as found:
        rung = found.end(patience)
        session.answer(f"Domain '{found.name()}' ended by {rung}", **identity(found), rung=rung)


@command()
@domain_argument
@click.argument("file", type=XML)
@pass_session
def adopt(session: Session, domain: str, file: Any) -> None:
    """Describe a guest that runs though its record was lost, as `list` says of it."""
    xml = text_of(file)
    with session.domain(domain) as found:
        found.adopt(xml)
        session.answer(f"Domain '{found.name()}' adopted as {name_of(file)} has it", **identity(found))


@command()
@domain_argument
@pass_session
def suspend(session: Session, domain: str) -> None:
    """Pause a domain."""
    with session.domain(domain) as found:
        found.suspend()
        session.answer(f"Domain '{found.name()}' suspended", **identity(found))


@command()
@domain_argument
@pass_session
def resume(session: Session, domain: str) -> None:
    """Let a paused domain run again."""
    with session.domain(domain) as found:
        found.resume()
        session.answer(f"Domain '{found.name()}' resumed", **identity(found))


@command()
@domain_argument
@pass_session
def undefine(session: Session, domain: str) -> None:
    """Forget a domain's definition; if it runs, it runs on and is gone once it ends."""
    with session.domain(domain) as found:
        about = {"name": found.name(), "uuid": found.UUIDString()}
        found.undefine()
        session.answer(f"Domain '{found.name()}' has been undefined", **about)


def identity(domain: virDomain) -> dict[str, Any]:
    """What every JSON answer about a domain has: name, UUID, and id or null."""
    from embervirt.drivers.qemu.errors import NoDomain

    about: dict[str, Any] = {"name": domain.name(), "uuid": domain.UUIDString(), "id": None}
    try:
        number = domain.ID()
    except NoDomain:  # a transient one that just ended
        return about
    return about | {"id": None if number < 0 else number}


COMMANDS = [define, create, start, destroy, shutdown, end, adopt, suspend, resume, undefine]
