"""A network's packets: who may pass, and whose source is translated. One table of nftables for a network.

``rules`` says it without naming a tool; ``ruleset`` writes that for ``nft -f``.

What an own table cannot do: an ``accept`` here does not overrule a ``drop`` in somebody else's table. Port
isolation is no matter of packets that are routed: it is a flag of the bridge's port. Nor can nftables fill in
the checksum of DHCP's answers, see ``fills_checksums``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import Address, Forward, Ip, IpCodec, Nat, Network, Subnet

Chain = Literal["input", "output", "out", "in", "cross", "nat"]
"""``out``, ``in``, ``cross``: what is forwarded from guests, to guests, among guests of one bridge."""

HOOKS: dict[str, tuple[str, tuple[Chain, ...]]] = {
    "input": ("type filter hook input priority filter", ("input",)),
    "output": ("type filter hook output priority filter", ("output",)),
    "forward": ("type filter hook forward priority filter", ("cross", "in", "out")),
    "postrouting": ("type nat hook postrouting priority srcnat", ("nat",)),
}
"""The chains of a table: where each hangs, and what stands in it, in that order."""

DNS, DHCP_SERVER, DHCP_CLIENT, TFTP, DHCP6_SERVER, DHCP6_CLIENT = 53, 67, 68, 69, 547, 546
EPHEMERAL = (1024, 65535)
"""Ports that translated connections leave from when the XML says nothing."""

LOCAL: dict[int, tuple[Subnet, ...]] = {
    4: (IPv4Network("255.255.255.255/32"), IPv4Network("224.0.0.0/24")),
    6: (IPv6Network("ff02::/16"),),
}
"""Destinations that never leave the link, so whose source is not translated."""

_text = IpCodec().encode


@dataclass(frozen=True)
class Translation:
    """Of the source: to one of ``pool`` (first, last), else the outgoing link's; from one of ``ports``."""

    pool: tuple[Address, Address] | None = None
    ports: tuple[int, int] | None = None


Verdict = Literal["accept", "reject", "return"] | Translation


@dataclass(frozen=True)
class Rule:
    """``outside``: everywhere but in ``destination``. ``known``: packets of connections that are known."""

    chain: Chain
    version: int
    verdict: Verdict
    into: str = ""
    out_of: str = ""
    source: Subnet | None = None
    destination: Subnet | None = None
    outside: bool = False
    protocol: str = ""
    port: int = 0
    known: bool = False


def rules(network: Network) -> Iterator[Rule]:
    """Of a validated network with a bridge; a rule stands before those of its chain that came earlier."""
    if network.mode == "open":
        return
    bridge = network.bridge_name
    yield from _services(bridge, 4, ("tcp", "udp"), DHCP_SERVER, DHCP_CLIENT)
    yield from _services(bridge, 4, ("tcp", "udp"), DNS, DNS)
    if any(ip.tftp and ip.tftp.root for ip in network.ips):
        yield from _services(bridge, 4, ("udp",), TFTP, TFTP)
    yield from _closed(bridge, 4)
    if network.ipv6 or _has_ipv6(network):
        yield from _closed(bridge, 6)
    if _has_ipv6(network):
        yield from _services(bridge, 6, ("tcp", "udp"), DNS, DNS)
        yield from _services(bridge, 6, ("udp",), DHCP6_SERVER, DHCP6_CLIENT)
    if network.mode in ("nat", "route"):
        for ip in network.ips:
            yield from _forwarded(network, ip)


def ruleset(network: Network, table: str) -> str:
    """For ``nft -f``, which takes it whole or not at all: it replaces the table; no table for mode open."""
    given = list(rules(network))
    if not given:
        return gone(table)
    chains = "".join(_chain(name, hook, parts, given) for name, (hook, parts) in HOOKS.items())
    return f"{gone(table)}table inet {table} {{\n{chains}}}\n"


def gone(table: str) -> str:
    """For ``nft -f``: the table is not there, whether it was or not."""
    return f"table inet {table}\ndelete table inet {table}\n"


def fills_checksums(network: Network) -> bool:
    """Whether answers of the DHCP server may reach guests without a checksum of UDP.

    A packet that the host itself sends through a tap has none until somebody needs it. Guests know that from
    the virtio header; old DHCP clients that read raw packets and ignore it drop them. iptables has CHECKSUM
    for it; nftables has nothing, tc has ``action csum udp``, on kernels with act_csum.
    """
    return any(ip.version == 4 and ip.dhcp and (ip.dhcp.ranges or ip.dhcp.hosts) for ip in network.ips)


def quoted(name: str) -> str:
    """A link's name in nft's text. Raises NetworkUnsupported for one that it cannot hold."""
    if not name or any(letter in '"*\\' or not letter.isprintable() for letter in name):
        raise NetworkUnsupported(
            f"link '{name}': nftables takes no name with a quote, '*', '\\' or control character"
        )
    return f'"{name}"'


def _has_ipv6(network: Network) -> bool:
    return any(ip.version == 6 for ip in network.ips)


def _services(
    bridge: str, version: int, protocols: tuple[str, ...], server: int, client: int
) -> Iterator[Rule]:
    """Guests reach a server of the host, which answers."""
    for protocol in protocols:
        yield Rule("input", version, "accept", into=bridge, protocol=protocol, port=server)
    for protocol in protocols:
        yield Rule("output", version, "accept", out_of=bridge, protocol=protocol, port=client)


def _closed(bridge: str, version: int) -> Iterator[Rule]:
    """Guests reach each other, and nothing else."""
    yield Rule("out", version, "reject", into=bridge)
    yield Rule("in", version, "reject", out_of=bridge)
    yield Rule("cross", version, "accept", into=bridge, out_of=bridge)


def _forwarded(network: Network, ip: Ip) -> Iterator[Rule]:
    forward = network.forward or Forward()
    nat = forward.nat or Nat()
    bridge, outside, subnet, version = network.bridge_name, _outside(forward), ip.subnet, ip.version
    translated = network.mode == "nat" and (version == 4 or bool(nat.ipv6))
    yield Rule("out", version, "accept", into=bridge, out_of=outside, source=subnet)
    yield Rule("in", version, "accept", into=outside, out_of=bridge, destination=subnet, known=translated)
    if translated:
        yield from _translated(subnet, version, outside, nat)


def _outside(forward: Forward) -> str:
    """The one link that guests are forwarded to, or "" for any."""
    return forward.dev or next((each.dev for each in forward.interfaces if each.dev), "")


def _translated(subnet: Subnet, version: int, outside: str, nat: Nat) -> Iterator[Rule]:
    any_port = Translation(_pool(nat, version))
    some_ports = replace(any_port, ports=_ports(nat))
    rule = Rule("nat", version, any_port, out_of=outside, source=subnet, destination=subnet, outside=True)
    yield rule
    yield replace(rule, protocol="udp", verdict=some_ports)
    yield replace(rule, protocol="tcp", verdict=some_ports)
    for local in LOCAL[version]:
        yield replace(rule, verdict="return", destination=local, outside=False)


def _pool(nat: Nat, version: int) -> tuple[Address, Address] | None:
    first = nat.address.start if nat.address else None
    if nat.address is None or first is None or first.version != version:
        return None
    return first, nat.address.end or first


def _ports(nat: Nat) -> tuple[int, int]:
    if nat.port is None or not nat.port.start or not nat.port.end:
        return EPHEMERAL
    return nat.port.start, nat.port.end


def _chain(name: str, hook: str, parts: tuple[Chain, ...], given: list[Rule]) -> str:
    ordered = [rule for part in parts for rule in reversed(given) if rule.chain == part]
    if not ordered:
        return ""
    lines = "".join(f"\t\t{_line(rule)}\n" for rule in ordered)
    return f"\tchain {name} {{\n\t\t{hook}; policy accept;\n{lines}\t}}\n"


def _line(rule: Rule) -> str:
    """One rule as nft writes it. An address tells the version of IP; without one it is said."""
    family = "ip" if rule.version == 4 else "ip6"
    words = [] if rule.source or rule.destination else [f"meta nfproto ipv{rule.version}"]
    if rule.into:
        words.append(f"iifname {quoted(rule.into)}")
    if rule.out_of:
        words.append(f"oifname {quoted(rule.out_of)}")
    if rule.source:
        words.append(f"{family} saddr {_subnet(rule.source)}")
    if rule.destination:
        words.append(f"{family} daddr {'!= ' if rule.outside else ''}{_subnet(rule.destination)}")
    if rule.protocol:
        words.append(f"{rule.protocol} dport {rule.port}" if rule.port else f"meta l4proto {rule.protocol}")
    if rule.known:
        words.append("ct state established,related")
    return " ".join([*words, _verdict(rule.verdict, family)])


def _subnet(subnet: Subnet) -> str:
    return f"{_text(subnet.network_address)}/{subnet.prefixlen}"


def _verdict(verdict: Verdict, family: str) -> str:
    if not isinstance(verdict, Translation):
        return verdict
    ports = f":{verdict.ports[0]}-{verdict.ports[1]}" if verdict.ports else ""
    if verdict.pool is None:
        return f"masquerade to {ports}" if ports else "masquerade"
    first, last = (f"[{_text(each)}]" if ports and family == "ip6" else _text(each) for each in verdict.pool)
    return f"snat {family} to {first if first == last else f'{first}-{last}'}{ports}"
