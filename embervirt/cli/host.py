"""Commands about the host, and what a guest would be on it, with virsh's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.domains import domain_argument
from embervirt.cli.session import XML, Session, command, pass_session, text_of

if TYPE_CHECKING:
    from embervirt.libvirt.domain import virDomain


@command()
@pass_session
def capabilities(session: Session) -> None:
    """Print what this host can run, as XML."""
    with session.connect(make=True) as conn:
        click.echo(conn.getCapabilities(), nl=False)


@command()
@click.option("--machine", help="A machine type such as q35.")
@click.option("--virttype", type=click.Choice(["qemu", "kvm"]), help="Emulated, or by KVM.")
@pass_session
def domcapabilities(session: Session, machine: str | None, virttype: str | None) -> None:
    """Print what a domain can have, as XML."""
    with session.connect(make=True) as conn:
        click.echo(conn.getDomainCapabilities(None, None, machine, virttype, 0), nl=False)


@command(name="domxml-to-native")
@click.argument("file", type=XML)
@pass_session
def domxml_to_native(session: Session, file: Any) -> None:
    """Print the command line of QEMU for the domain that FILE describes."""
    xml = text_of(file)
    with session.connect(make=True) as conn:
        click.echo(conn.domainXMLToNative("qemu-argv", xml, 0))


@command()
@domain_argument
@pass_session
def domstats(session: Session, domain: str) -> None:
    """Print statistics of a domain."""
    from embervirt.cli import output

    with session.domain(domain) as found:
        stats = _stats(found)
    if session.json:
        click.echo(output.document(stats))
    else:
        for name, value in stats.items():
            click.echo(f"  {name}={value}")


def _stats(domain: virDomain) -> dict[str, Any]:
    [(_, stats)] = domain.connect().domainListGetStats([domain])
    return dict(stats)


COMMANDS = [capabilities, domcapabilities, domxml_to_native, domstats]
