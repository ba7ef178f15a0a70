"""Commands about the network cards of a domain, with virsh's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from embervirt.cli.devices import CONFIG, LIVE, config_option, live_option
from embervirt.cli.domains import domain_argument, identity
from embervirt.cli.session import Refused, Session, command, pass_session

INACTIVE = 2
"""``VIR_DOMAIN_XML_INACTIVE``."""
SOURCES = {"lease": 0, "agent": 1, "arp": 2}
FAMILIES = ("ipv4", "ipv6")
COUNTS = tuple(f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop"))
PLACES = ("network", "bridge", "dev", "path", "address", "name")
"""Attributes of a source, of which one says what a card is plugged into."""
RATES = ("average", "peak", "burst")

card_argument = click.argument("interface")


@command()
@domain_argument
@click.option("--inactive", is_flag=True, help="Of the definition.")
@pass_session
def domiflist(session: Session, domain: str, inactive: bool) -> None:
    """List the network cards of a domain."""
    with session.domain(domain) as found:
        cards = [_row(card) for card in _cards(found, INACTIVE if inactive else 0)]
    _show(session, ("interface", "type", "source", "model", "mac"), cards)


def _show(session: Session, names: Sequence[str], rows: list[list[str]]) -> None:
    from embervirt.cli import output

    if session.json:
        click.echo(output.document([dict(zip(names, row, strict=True)) for row in rows]))
    else:
        output.show_table([name.capitalize() for name in names], rows)


def _cards(domain: Any, flags: int = 0) -> list[Any]:
    from lxml import etree

    found: list[Any] = etree.fromstring(domain.XMLDesc(flags)).findall("devices/interface")
    return found


def _attribute(card: Any, child: str, name: str) -> str:
    found = card.find(child)
    return (found.get(name) if found is not None else None) or "-"


def _row(card: Any) -> list[str]:
    places = [each for each in (_attribute(card, "source", name) for name in PLACES) if each != "-"]
    device = _attribute(card, "target", "dev")
    model, mac = _attribute(card, "model", "type"), _attribute(card, "mac", "address")
    return [device, card.get("type"), places[0] if places else "-", model, mac]


@command()
@domain_argument
@card_argument
@pass_session
def domifstat(session: Session, domain: str, interface: str) -> None:
    """Show what has gone through a card, named by its device on the host or its MAC address."""
    with session.domain(domain) as found:
        counts = dict(zip(COUNTS, found.interfaceStats(interface), strict=True))
    session.answer("\n".join(f"{interface} {name} {count}" for name, count in counts.items()), **counts)


@command()
@domain_argument
@click.option("--interface", help="Only of this one: the card's device on the host, for lease and arp.")
@click.option("--full", is_flag=True, help="Name and MAC address in every line.")
@click.option("--source", type=click.Choice(list(SOURCES)), default="lease", help="Who is asked.")
@pass_session
def domifaddr(session: Session, domain: str, interface: str | None, full: bool, source: str) -> None:
    """List the addresses of a running guest."""
    with session.domain(domain) as found:
        told = found.interfaceAddresses(SOURCES[source])
    rows = [
        [*(names if full or session.json or not number else ("-", "-")), *words]
        for name, card in told.items()
        if interface in (None, name)
        for names in [(name, card["hwaddr"] or "-")]
        for number, words in enumerate(map(_address, card["addrs"] or []))
    ]
    _show(session, ("name", "mac", "protocol", "address"), rows)


def _address(told: dict[str, Any]) -> tuple[str, str]:
    return FAMILIES[told["type"]], f"{told['addr']}/{told['prefix']}"


@command(name="domif-getlink")
@domain_argument
@card_argument
@config_option
@pass_session
def domif_getlink(session: Session, domain: str, interface: str, config: bool) -> None:
    """Show whether the cable of a card is plugged."""
    with session.domain(domain) as found:
        state = _attribute(_card(found, interface, config), "link", "state")
    state = "down" if state == "down" else "up"
    session.answer(f"{interface} {state}", interface=interface, state=state)


def _card(domain: Any, wanted: str, config: bool) -> Any:
    for card in _cards(domain, INACTIVE if config else 0):
        if wanted in (_attribute(card, "mac", "address"), _attribute(card, "target", "dev")):
            return card
    raise Refused(f"domain '{domain.name()}' has no network card '{wanted}': expected its MAC or its device")


@command(name="domif-setlink")
@domain_argument
@card_argument
@click.argument("state", type=click.Choice(["up", "down"]))
@live_option
@config_option
@click.option("--print-xml", is_flag=True, help="Only show the XML of the card as it would be.")
@pass_session
def domif_setlink(
    session: Session, domain: str, interface: str, state: str, live: bool, config: bool, print_xml: bool
) -> None:
    """Plug the cable of a card, or pull it."""
    from lxml import etree

    with session.domain(domain) as found:
        card = _card(found, interface, config and not live)
        link = card.find("link")
        (link if link is not None else etree.SubElement(card, "link")).set("state", state)
        xml = etree.tostring(card, encoding="unicode", with_tail=False)
        if print_xml:
            session.answer(xml, xml=xml)
            return
        found.updateDeviceFlags(xml, live * LIVE | config * CONFIG)
        session.answer(f"{interface} {state}", state=state, **identity(found))


@command()
@domain_argument
@card_argument
@click.option("--inbound", help="AVERAGE[,PEAK[,BURST]] in KiB a second and KiB; 0 for no limit.")
@click.option("--outbound", help="The same of what the guest sends.")
@live_option
@config_option
@pass_session
def domiftune(
    session: Session,
    domain: str,
    interface: str,
    inbound: str | None,
    outbound: str | None,
    live: bool,
    config: bool,
) -> None:
    """Show the limits of a card's traffic, or set them."""
    flags = live * LIVE | config * CONFIG
    wanted = {**_rates("inbound", inbound), **_rates("outbound", outbound)}
    with session.domain(domain) as found:
        if wanted:
            found.setInterfaceParameters(interface, wanted, flags)
        limits = found.interfaceParameters(interface, flags & ~(CONFIG if live else 0))
    session.answer("\n".join(f"{name}: {value}" for name, value in limits.items()), **limits)


def _rates(way: str, text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    values = text.split(",")
    if len(values) > len(RATES) or not all(each.isascii() and each.isdigit() for each in values):
        raise click.BadParameter(f"'{text}': expected AVERAGE[,PEAK[,BURST]]", param_hint=f"--{way}")
    return {f"{way}.{name}": int(value) for name, value in zip(RATES, values, strict=False)}


COMMANDS = [domiflist, domifstat, domifaddr, domif_getlink, domif_setlink, domiftune]
