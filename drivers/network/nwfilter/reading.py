"""From XML to checked, complete filters; pure, for any thread."""

from __future__ import annotations

import re
import uuid

from embervirt.drivers.network.nwfilter.bindings import Condition
from embervirt.drivers.network.nwfilter.errors import VIR_FROM_NWFILTER, FilterArgument, FilterValue
from embervirt.drivers.network.nwfilter.model import CHAINS, PRIORITY, Filter, FilterRef, Rule
from embervirt.drivers.network.nwfilter.values import PROTOCOLS
from embervirt.drivers.xml import parse, replace
from embervirt.errors import errors_of

LONGEST_CHAIN = 12
"""Characters of a chain's name, as libvirt has it."""

PORTS = ("tcp", "udp", "33", "0x21", "sctp")
"""Protocols that have ports, as a rule about IP names them; 33 is DCCP."""


def read_filter(xml: str | bytes, *, strict: bool = False) -> Filter:
    """A complete filter, with a new UUID when it names none. ``strict``: unknown words are errors.

    Raises XmlError and its leaves, FilterValue, FilterArgument, FilterUnsupported.
    """
    with errors_of(VIR_FROM_NWFILTER):
        return postparse(parse(Filter, xml, strict=strict))


def read_reference(xml: str | bytes) -> FilterRef:
    """The ``<filterref>`` of a guest's interface. Raises as ``read_filter``."""
    with errors_of(VIR_FROM_NWFILTER):
        return _sorted(parse(FilterRef, xml))


def postparse(given: Filter) -> Filter:
    """What libvirt fills in: UUID, chain, its priority, priorities of rules, order of parameters.

    A priority is of the chain that is named; without one it is not heard.
    """
    if not given.name:
        raise FilterValue("filter has no name; expected <filter name='...'>")
    chain = given.chain or "root"
    entries = tuple(map(_complete, given.entries))
    priority = _priority(given.priority, chain)
    shown = str(priority) if priority and given.chain else None
    return replace(given, chain=chain, priority=shown, uuid=given.uuid or str(uuid.uuid4()), entries=entries)


def _complete(entry: Rule | FilterRef) -> Rule | FilterRef:
    if isinstance(entry, FilterRef):
        return _sorted(entry)
    if entry.condition is not None:
        _check(entry.condition)
    priority = PRIORITY if entry.priority is None else entry.priority
    return replace(entry, priority=priority, statematch=False if entry.statematch is False else None)


def _sorted(reference: FilterRef) -> FilterRef:
    if not reference.filter:
        raise FilterValue("filterref has no filter; expected <filterref filter='...'>")
    return replace(reference, parameters=tuple(sorted(reference.parameters, key=lambda each: each.name)))


def _priority(text: str | None, chain: str) -> int:
    """Of a chain. Raises FilterArgument."""
    prefix = _prefix(chain)
    if text is None:
        return CHAINS.get(prefix, 0)
    if not re.fullmatch("[+-]?[0-9]{1,9}", text.strip()):
        raise FilterArgument(f"Could not parse chain priority '{text}'; expected a number from -1000 to 1000")
    if not -1000 <= int(text) <= 1000:
        raise FilterArgument(f"Priority '{text}' is outside valid range of [-1000,1000]")
    return int(text)


def _prefix(chain: str) -> str:
    """``arp`` of ``arp-mine``. Raises FilterArgument for a chain that cannot be."""
    if len(chain) > LONGEST_CHAIN:
        raise FilterArgument(f"Name of chain is longer than {LONGEST_CHAIN} characters; chain '{chain}'")
    if not re.fullmatch("[a-zA-Z0-9_:.-]+", chain):
        raise FilterArgument(
            f"Chain name contains invalid characters; '{chain}': letters, digits and _:.- are valid"
        )
    if chain == "root":
        return chain
    for prefix in CHAINS:
        if chain.startswith(prefix):
            return prefix
    what = "Please use a chain name called 'root' or any of the following prefixes"
    raise FilterArgument(f"Invalid chain name '{chain}'. {what}: {', '.join(CHAINS)}")


def _check(condition: Condition) -> None:
    """Rules across attributes. Raises FilterValue."""
    ports = any(name.startswith(("srcport", "dstport")) for name in condition.values)
    if condition.protocol in ("ip", "ipv6") and ports and condition.values.get("protocol") not in PORTS:
        what = "IP" if condition.protocol == "ip" else "IPv6"
        have = f"tcp({PROTOCOLS['tcp']}), udp({PROTOCOLS['udp']}), dccp(33), or sctp({PROTOCOLS['sctp']})"
        needs = "requires protocol specification with protocol to be either one of"
        raise FilterValue(f"{what} rule with port specification {needs} {have}")
