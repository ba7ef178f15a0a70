"""This project's rules as the commands that libvirt runs for the same ones: iptables, ip6tables and ebtables.

The driver writes nftables. What is compared here is what the rules are about, so they are taken as they are
before nftables' words are put to them, and put into those of the other tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from embervirt.drivers.network.model import Network
from embervirt.drivers.network.nwfilter.bindings import Condition
from embervirt.drivers.network.nwfilter.matching import STP_GROUP, swapped
from embervirt.drivers.network.nwfilter.protocols import version
from embervirt.drivers.network.nwfilter.tree import Placed, Rules
from embervirt.drivers.network.nwfilter.values import ETHER_TYPES, OPCODES, PROTOCOLS
from embervirt.drivers.network.nwfilter.ways import Side, Way, ways
from embervirt.drivers.network.render import firewall
from embervirt.drivers.network.render.firewall import HOOKS, Rule, Translation

Command = list[str]

CHAINS = {"input": "INP", "output": "OUT", "out": "FWO", "in": "FWI", "cross": "FWX", "nat": "PRT"}
BUILT_IN = {"input": "INPUT", "output": "OUTPUT", "forward": "FORWARD", "postrouting": "POSTROUTING"}


# Networks.


def base_chains() -> list[Command]:
    """Where the chains of a network hang, in libvirt's tables; mangle is for checksums alone."""
    return [command for program in ("iptables", "ip6tables") for command in _base_chains(program)]


def _base_chains(program: str) -> Iterator[Command]:
    for table in ("filter", "nat", "mangle"):
        yield [program, "-w", "--table", table, "--list-rules"]
    for hook, (kind, parts) in HOOKS.items():
        tables = ("nat", "mangle") if "type nat" in kind else ("filter",)
        for table in tables:
            for part in reversed(parts):  # the one that is put there last is asked first
                start = [program, "-w", "--table", table]
                yield [*start, "--new-chain", f"LIBVIRT_{CHAINS[part]}"]
                yield [*start, "--insert", BUILT_IN[hook], "--jump", f"LIBVIRT_{CHAINS[part]}"]


def network_commands(network: Network) -> list[Command]:
    """A network's rules."""
    found = [_network_command(rule) for rule in firewall.rules(network)]
    if found and firewall.fills_checksums(network):
        mangle = ["iptables", "-w", "--table", "mangle", "--insert", "LIBVIRT_PRT"]
        asked = ["--out-interface", network.bridge_name, "--protocol", "udp", "--destination-port", "68"]
        found.append([*mangle, *asked, "--jump", "CHECKSUM", "--checksum-fill"])
    return found


def _network_command(rule: Rule) -> Command:
    program = "iptables" if rule.version == 4 else "ip6tables"
    table = "nat" if rule.chain == "nat" else "filter"
    start = [program, "-w", "--table", table, "--insert", f"LIBVIRT_{CHAINS[rule.chain]}"]
    if rule.chain == "nat":
        return [*start, *_nat_words(rule)]
    words = [*_option("--source", rule.source), *_option("--destination", rule.destination)]
    words += [*_option("--in-interface", rule.into), *_option("--out-interface", rule.out_of)]
    words += [*_option("--protocol", rule.protocol), *_option("--destination-port", rule.port)]
    if rule.known:
        words += ["--match", "conntrack", "--ctstate", "ESTABLISHED,RELATED"]
    return [*start, *words, "--jump", str(rule.verdict).upper()]


def _nat_words(rule: Rule) -> Command:
    source, destination = _option("--source", rule.source), _option("--destination", rule.destination)
    outside, verdict = _option("--out-interface", rule.out_of), rule.verdict
    if not isinstance(verdict, Translation):
        return [*outside, *source, *destination, "--jump", verdict.upper()]
    words = [*source, *_option("-p", rule.protocol), "!", *destination, *outside, "--jump"]
    ports = "-".join(map(str, verdict.ports)) if verdict.ports else ""
    if verdict.pool is None:
        return [*words, "MASQUERADE", *_option("--to-ports", ports)]
    pool = "-".join(map(str, verdict.pool))
    return [*words, "SNAT", "--to-source", f"{pool}:{ports}" if ports else pool]


def _option(name: str, value: object) -> list[str]:
    return [name, str(value)] if value else []


# Filters.

SIDES: dict[Side, str] = {"out": "J", "in": "P"}
FRAME_VERDICTS = {"reject": "DROP"}
ABOUT = {
    "mac": [],
    "vlan": ["-p", "0x8100"],
    "stp": ["-d", STP_GROUP],
    "arp": ["-p", "0x0806"],
    "rarp": ["-p", "0x8035"],
    "ipv4": ["-p", "0x0800"],
    "ipv6": ["-p", "0x86dd"],
}
Values = Mapping[str, str]


def filter_commands(rules: Rules, tap: str) -> list[Command]:
    """A filter's rules: of the root chain, of the others, of packets."""
    frames = [rule for rule in rules.placed if rule.layer == "frame"]
    root = [rule for rule in frames if rule.chain == "root"]
    others = [rule for rule in frames if rule.chain != "root"]
    found = [*_root(root, others, tap), *(each for rule in others for each in _frame(rule, tap))]
    return [*found, *(each for rule in rules.placed if rule.layer == "packet" for each in _packet(rule, tap))]


def _ebtables(*words: str) -> Command:
    return ["ebtables", "--concurrent", "-t", "nat", *words]


def _root(root: list[Placed], others: list[Placed], tap: str) -> Iterator[Command]:
    chains = {rule.chain: rule.order for rule in others}
    sides = {(rule.chain, way.side) for rule in others for way in ways(rule)}
    entries = [(order, 0, list(_chain(name, sides, tap))) for name, order in chains.items()]
    entries += [(rule.priority, 1, list(_frame(rule, tap))) for rule in root]
    for _, _, commands in sorted(entries, key=lambda each: each[:2]):
        yield from commands


def _chain(name: str, sides: set[tuple[str, Side]], tap: str) -> Iterator[Command]:
    about = next(words for prefix, words in ABOUT.items() if name.startswith(prefix))
    for side, letter in SIDES.items():
        if (name, side) in sides:
            own = f"{letter}-{tap}-{name}"
            yield from (_ebtables(option, own) for option in ("-F", "-X", "-N"))
            yield _ebtables("-A", f"libvirt-{letter}-{tap}", *about, "-j", own)


def _frame(rule: Placed, tap: str) -> Iterator[Command]:
    condition = rule.condition or Condition("mac")
    verdict = FRAME_VERDICTS.get(rule.action, rule.action.upper())
    for way in ways(rule):
        letter = SIDES[way.side]
        chain = f"libvirt-{letter}-{tap}" if rule.chain == "root" else f"{letter}-{tap}-{rule.chain}"
        yield _ebtables("-A", chain, *_frame_words(condition, swapped_too=way.swapped), "-j", verdict)


def _frame_words(condition: Condition, *, swapped_too: bool) -> Iterator[str]:
    """What was a source is still said first when it is the destination."""
    values, protocol = condition.values, condition.protocol
    word = _Words(condition.negated, swapped_too)
    yield from word.mac(values, "src", "-s", "-d")
    yield from word.mac(values, "dst", "-d", "-s")
    if protocol == "mac" and "protocolid" in values:
        yield from word("-p", f"{_number(values['protocolid'], ETHER_TYPES):#x}")
    elif protocol in ("arp", "rarp"):
        yield from ("-p", f"{ETHER_TYPES[protocol]:#x}")
        yield from _arp_words(values, word)
    elif protocol in ("ip", "ipv6"):
        yield from ("-p", "ipv4" if protocol == "ip" else "ipv6")
        yield from _ip_words(values, word, protocol)
    elif protocol == "vlan":
        yield from ("-p", "0x8100")
        yield from word.plain(values, "vlanid", "--vlan-id")
        if "encap-protocol" in values:
            yield from word("--vlan-encap", str(_number(values["encap-protocol"], ETHER_TYPES)))
    elif protocol == "stp":
        yield from ("-d", STP_GROUP)
        yield from _stp_words(values, word)


class _Words:
    """Options with their values, negated and turned around where the rule is."""

    def __init__(self, negated: bool, turned: bool) -> None:
        self._not = ["!"] if negated else []
        self._turned = turned

    def __call__(self, option: str, value: str, turned: str = "") -> list[str]:
        return [turned if turned and self._turned else option, *self._not, value]

    def mac(self, values: Values, side: str, option: str, turned: str) -> list[str]:
        if f"{side}macaddr" not in values:
            return []
        mask = values.get(f"{side}macmask")
        return self(option, values[f"{side}macaddr"] + (f"/{mask}" if mask else ""), turned)

    def plain(self, values: Values, name: str, option: str) -> list[str]:
        return self(option, str(int(values[name], 0))) if name in values else []

    def ports(self, values: Values, side: str, option: str, turned: str) -> list[str]:
        start, end = values.get(f"{side}portstart"), values.get(f"{side}portend")
        return [] if start is None else self(option, _range(start, end), turned)


def _arp_words(values: Values, word: _Words) -> Iterator[str]:
    yield from word.plain(values, "hwtype", "--arp-htype")
    if "opcode" in values:
        yield from word("--arp-opcode", str(_number(values["opcode"], OPCODES)))
    if "protocoltype" in values:
        yield from word("--arp-ptype", f"{int(values['protocoltype'], 0):#x}")
    for side, option, turned in (("src", "src", "dst"), ("dst", "dst", "src")):
        if f"arp{side}ipaddr" in values:
            address = f"{values[f'arp{side}ipaddr']}/{values.get(f'arp{side}ipmask', '32')}"
            yield from word(f"--arp-ip-{option}", address, f"--arp-ip-{turned}")
    for side, option, turned in (("src", "src", "dst"), ("dst", "dst", "src")):
        if f"arp{side}macaddr" in values:
            yield from word(f"--arp-mac-{option}", values[f"arp{side}macaddr"], f"--arp-mac-{turned}")
    if values.get("gratuitous") == "true":
        yield "--arp-gratuitous"


def _ip_words(values: Values, word: _Words, protocol: str) -> Iterator[str]:
    ip = "--ip" if protocol == "ip" else "--ip6"
    for side, option, turned in (("src", "source", "destination"), ("dst", "destination", "source")):
        if f"{side}ipaddr" in values:
            yield from word(f"{ip}-{option}", _address(values, side), f"{ip}-{turned}")
    if "protocol" in values:
        yield from word(f"{ip}-protocol", str(_number(values["protocol"], PROTOCOLS)))
    for side, option, turned in (("src", "source", "destination"), ("dst", "destination", "source")):
        yield from word.ports(values, side, f"{ip}-{option}-port", f"{ip}-{turned}-port")
    if "dscp" in values:
        yield from word("--ip-tos", f"{int(values['dscp'], 0):#x}")
    if {"type", "typeend", "code", "codeend"} & values.keys():
        kinds = [_between(values, name) for name in ("type", "code")]
        yield from word("--ip6-icmp-type", "/".join(kinds))


def _between(values: Values, name: str) -> str:
    first, last = values.get(name), values.get(f"{name}end")
    if first is None and last is None:
        return "0:255"
    return f"{int(first or '0', 0)}:{int(last or first or '0', 0)}"


STP = (
    *(("type", "type"), ("flags", "flags"), ("root-priority", "root-pri"), ("root-address", "root-addr")),
    *(("root-cost", "root-cost"), ("sender-priority", "sender-prio"), ("sender-address", "sender-addr")),
    *(("port", "port"), ("age", "msg-age"), ("max-age", "max-age"), ("hello-time", "hello-time")),
    ("forward-delay", "forward-delay"),
)


def _stp_words(values: Values, word: _Words) -> Iterator[str]:
    for name, option in STP:
        if name not in values:
            continue
        if name.endswith("address"):
            mask = values.get(f"{name}-mask")
            yield from word(f"--stp-{option}", values[name] + (f"/{mask}" if mask else ""))
        else:
            yield from word(f"--stp-{option}", _range(values[name], values.get(f"{name}-hi")))


def _packet(rule: Placed, tap: str) -> Iterator[Command]:
    """The host has a chain of its own for what a guest sends to it, with the guest's rules."""
    found = ways(rule)
    own = [("FJ", way) for way in found if way.side == "out"]
    other = [("FP", way) for way in found if way.side == "in"]
    for chain, way in [*own, *other, *(("HJ", way) for _, way in own)]:
        verdict = rule.action.upper()
        if verdict == "ACCEPT" and chain != "FP":
            verdict = "RETURN"
        assert rule.condition is not None
        program = "iptables" if version(rule.condition.protocol) == 4 else "ip6tables"
        words = _packet_words(rule.condition, way)
        yield [program, "-w", "-A", f"{chain}-{tap}", *words, "-j", verdict]


def _packet_words(condition: Condition, way: Way) -> Iterator[str]:
    values, bang = condition.values, ["!"] if condition.negated else []
    protocol = condition.protocol.removesuffix("-ipv6")
    yield from ("-p", protocol)
    if "srcmacaddr" in values and not way.swapped:
        yield from ("-m", "mac", *bang, "--mac-source", values["srcmacaddr"])
    shown = swapped(values) if way.swapped else values
    for side in ("dst", "src") if way.swapped else ("src", "dst"):
        yield from _packet_addresses(shown, side, bang)
    if "dscp" in values:
        yield from ("-m", "dscp", *bang, "--dscp", str(int(values["dscp"], 0)))
    for side in ("dst", "src") if way.swapped else ("src", "dst"):
        if f"{side}portstart" in shown:
            ports = _range(shown[f"{side}portstart"], shown.get(f"{side}portend"))
            yield from (*bang, f"--{side[0]}port", ports)
    if "type" in values:
        code = f"/{int(values['code'], 0)}" if "code" in values else ""
        yield from (*bang, f"--{protocol}-type", f"{int(values['type'], 0)}{code}")
    yield from _packet_rest(values, way, bang)


def _packet_addresses(shown: Values, side: str, bang: list[str]) -> Iterator[str]:
    if f"{side}ipaddr" in shown:
        yield from (*bang, {"src": "--source", "dst": "--destination"}[side], _address(shown, side))
    if f"{side}ipfrom" in shown:
        first, last = shown[f"{side}ipfrom"], shown.get(f"{side}ipto")
        yield from ("-m", "iprange", *bang, f"--{side}-range", f"{first}-{last}" if last else first)


def _packet_rest(values: Values, way: Way, bang: list[str]) -> Iterator[str]:
    if "flags" in values:
        yield from (*bang, "--tcp-flags", *values["flags"].split("/"))
    if "option" in values:
        yield from (*bang, "--tcp-option", str(int(values["option"], 0)))
    if "connlimit-above" in values:
        yield from ("-m", "connlimit", *bang, "--connlimit-above", values["connlimit-above"])
    if way.states:
        yield from ("-m", "conntrack", "--ctstate", ",".join(way.states))
    if way.of:
        yield from ("-m", "conntrack", "--ctdir", way.of.capitalize())
    if "ipset" in values:
        flags = values.get("ipsetflags", "")
        turned = ",".join({"src": "dst", "dst": "src"}.get(word, word) for word in flags.split(","))
        yield from ("-m", "set", *bang, "--match-set", values["ipset"], turned if way.swapped else flags)
    if "comment" in values:
        yield from ("-m", "comment", "--comment", values["comment"])


def _address(values: Values, side: str) -> str:
    mask = values.get(f"{side}ipmask")
    return values[f"{side}ipaddr"] + (f"/{mask}" if mask is not None else "")


def _range(first: str, last: str | None) -> str:
    return f"{int(first, 0)}:{int(last, 0)}" if last is not None else str(int(first, 0))


def _number(text: str, names: Mapping[str, int]) -> int:
    return names[text] if text in names else int(text, 0)
