"""Commands that look at domains and change nothing, with virsh's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.domains import domain_argument, identity
from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from embervirt.libvirt.domain import virDomain

ACTIVE, INACTIVE = 1, 2
"""Of virConnectListAllDomainsFlags; also the flag of ``XMLDesc`` for the next start's description."""


@command("list")
@click.option("--all", "everything", is_flag=True, help="Inactive domains too.")
@click.option("--inactive", is_flag=True, help="Inactive domains only.")
@click.option("--name", "names", is_flag=True, help="Names only, one a line.")
@click.option("--uuid", "uuids", is_flag=True, help="UUIDs only, one a line.")
@pass_session
def list_(session: Session, everything: bool, inactive: bool, names: bool, uuids: bool) -> None:
    """List the domains that run."""
    from embervirt.cli import output

    flags = 0 if everything else INACTIVE if inactive else ACTIVE
    with session.connect() as conn:
        rows = [_row(domain) for domain in conn.listAllDomains(flags)]
    if session.json:
        click.echo(output.document(rows))
    elif names or uuids:
        columns = ["uuid"] * uuids + ["name"] * names
        for row in rows:
            click.echo(" ".join(row[column] for column in columns))
    else:
        cells = ([_id(row), row["name"], _state(row)] for row in rows)
        output.show_table(["Id", "Name", "State"], cells)


def _row(domain: virDomain) -> dict[str, Any]:
    state, reason = domain.state()
    named = {"state": words.word(words.STATES, state), "reason": words.reason(state, reason)}
    degraded = "; ".join(domain.messages())
    return identity(domain) | named | {"persistent": bool(domain.isPersistent()), "degraded": degraded}


def _state(row: dict[str, Any]) -> str:
    return f"{row['state']}, degraded ({row['degraded']})" if row["degraded"] else str(row["state"])


def _id(row: dict[str, Any]) -> str:
    return "-" if row["id"] is None else str(row["id"])


@command()
@domain_argument
@click.option("--inactive", is_flag=True, help="What the next start will use, not what runs.")
@pass_session
def dumpxml(session: Session, domain: str, inactive: bool) -> None:
    """Print a domain's XML."""
    with session.domain(domain) as found:
        xml = found.XMLDesc(INACTIVE * inactive)
        session.answer(xml.rstrip("\n"), **identity(found), xml=xml)


@command()
@domain_argument
@click.option("--reason", is_flag=True, help="And why it is in this state.")
@pass_session
def domstate(session: Session, domain: str, reason: bool) -> None:
    """Print a domain's state."""
    with session.domain(domain) as found:
        row = _row(found)
    session.answer(f"{row['state']} ({row['reason']})" if reason else row["state"], **row)


@command()
@domain_argument
@pass_session
def dominfo(session: Session, domain: str) -> None:
    """Print what is known of a domain."""
    with session.domain(domain) as found:
        row, info = _row(found), found.info()
        os_type = found.OSType()
    _, most, memory, vcpus, time = info
    facts = {"vcpus": vcpus, "cpu_time_ns": time, "max_memory_kib": most, "memory_kib": memory}
    if session.json:
        session.answer("", **row, os_type=os_type, **facts)
        return
    from embervirt.cli import output

    output.show_table(["", ""], info_rows(row, os_type, facts))


def info_rows(row: dict[str, Any], os_type: str, facts: dict[str, int]) -> list[tuple[str, str]]:
    """``dominfo``'s lines, as virsh writes them."""
    return [
        ("Id:", _id(row)),
        ("Name:", row["name"]),
        ("UUID:", row["uuid"]),
        ("OS Type:", os_type),
        ("State:", _state(row)),
        ("CPU(s):", str(facts["vcpus"])),
        ("CPU time:", f"{facts['cpu_time_ns'] / 1e9:.1f}s"),
        ("Max memory:", f"{facts['max_memory_kib']} KiB"),
        ("Used memory:", f"{facts['memory_kib']} KiB"),
        ("Persistent:", "yes" if row["persistent"] else "no"),
    ]


@command()
@domain_argument
@pass_session
def domid(session: Session, domain: str) -> None:
    """Print a domain's id, - when it does not run."""
    about = _about(session, domain)
    session.answer(_id(about), **about)


@command()
@domain_argument
@pass_session
def domname(session: Session, domain: str) -> None:
    """Print a domain's name."""
    about = _about(session, domain)
    session.answer(about["name"], **about)


@command()
@domain_argument
@pass_session
def domuuid(session: Session, domain: str) -> None:
    """Print a domain's UUID."""
    about = _about(session, domain)
    session.answer(about["uuid"], **about)


def _about(session: Session, domain: str) -> dict[str, Any]:
    with session.domain(domain) as found:
        return identity(found)


COMMANDS = [list_, dumpxml, domstate, dominfo, domid, domname, domuuid]
