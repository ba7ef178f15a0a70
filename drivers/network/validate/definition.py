"""What this driver asks of a network before it keeps or starts it: libvirt's rules of a definition, and more.

What libvirt lets pass, and what then works for nobody, is refused here: clashes, names that no link has.
"""

from __future__ import annotations

import os

from embervirt.drivers.network.errors import NetworkUnsupported, NetworkXml
from embervirt.drivers.network.model import Network, VirtualPort, Vlan
from embervirt.drivers.network.validate.clashes import check_clashes
from embervirt.drivers.network.validate.places import Places
from embervirt.drivers.network.validate.words import check_words

LONGEST_LINK = 15
"""Bytes of a link's name (IFNAMSIZ - 1)."""
LEAST_MTU, MOST_MTU = 68, 65535
"""What a bridge of Linux takes."""
TAGGING = ("hostdev", "passthrough")


def validate_definition(network: Network, at: Places | None = None) -> None:
    """Rules of a network that ``validate_network`` accepts. Raises NetworkUnsupported, NetworkXml."""
    at = at or Places()
    if not network.own_bridge:
        _nothing_of_a_bridge(network, at)
    _devices(network, at)
    _link(network, at)
    _hosts(network, at)
    _dhcp_sections(network, at)
    _portgroups(network, at)
    _vlans(network, at)
    _register(network, at)
    check_words(network, at)
    check_clashes(network, at)


def _nothing_of_a_bridge(network: Network, at: Places) -> None:
    """What only a bridge that is made here can have."""
    dns = network.dns
    records = dns is not None and bool(dns.txts or dns.hosts or dns.srvs)
    given = {"mac": network.mac, "ip": network.ips, "dns": records, "domain": network.domain}
    for tag, value in given.items():
        if value:
            text = f"Unsupported <{tag}> element in network {network.name} with forward mode='{network.mode}'"
            raise NetworkUnsupported(f"{text}: {at(f'/network/{tag}')}")
    if network.bandwidth and not network.bridge_name:
        text = f"Unsupported network-wide <bandwidth> element in network {network.name}"
        place = at("/network/bandwidth")
        raise NetworkUnsupported(f"{text} with forward mode='{network.mode}': {place}")
    for index, group in enumerate(network.portgroups, 1):
        if group.bandwidth and not network.bridge_name:
            text = f"Unsupported <bandwidth> element in network '{network.name}' in portgroup '{group.name}'"
            place = at(f"/network/portgroup[{index}]/bandwidth")
            raise NetworkUnsupported(f"{text} with forward mode='{network.mode}': {place}")


def _devices(network: Network, at: Places) -> None:
    """PCI addresses are for hostdev, and nothing else is."""
    forward, name, mode = network.forward, network.name, network.mode
    if forward is None:
        return
    kinds = {"interface": forward.interfaces, "pf": forward.pfs, "address": forward.addresses}
    given = [tag for tag, devices in kinds.items() if devices]
    if mode == "hostdev" and forward.interfaces:
        text = f"hostdev network '{name}' lists '{forward.interfaces[0].dev}' in the device pool, but hostdev"
        text = f"{text} networks require all devices to be listed by PCI address, not network device name"
        raise NetworkUnsupported(f"{text}: {at('/network/forward')}")
    if mode != "hostdev" and forward.addresses:
        text = f"network '{name}' has forward mode '{mode}' but lists a device by PCI address"
        text = f"{text} in the device pool. This is only supported for networks with forward mode 'hostdev'"
        raise NetworkUnsupported(f"{text}: {at('/network/forward/address[1]')}")
    if len(given) > 1:
        text = f"<{'> and <'.join(given)}> elements of <forward> in network '{name}' are mutually exclusive"
        raise NetworkUnsupported(f"{text}: {at('/network/forward')}")


def _link(network: Network, at: Places) -> None:
    """A name that the kernel takes, or one with ``%d`` for the driver to fill in, and an MTU."""
    name, mtu = network.bridge_name, network.mtu
    bad = [each for each in name if each in "/:" or each.isspace()]
    if bad or name in (".", "..") or len(os.fsencode(name)) > LONGEST_LINK:
        text = f"bridge name '{name}' of network '{network.name}' is no name of a link"
        accepted = f"1 to {LONGEST_LINK} bytes without blanks, '/' and ':'"
        raise NetworkXml(f"{text}: {at('/network/bridge')}; expected {accepted}")
    if mtu and not LEAST_MTU <= mtu.size <= MOST_MTU:
        text = f"Invalid mtu size '{mtu.size}' in network '{network.name}': {at('/network/mtu')}"
        raise NetworkXml(f"{text}; expected {LEAST_MTU} to {MOST_MTU}")


def _hosts(network: Network, at: Places) -> None:
    """What a bridge can have is the address of one host."""
    for index, ip in enumerate(network.ips, 1):
        if ip.address is not None and (ip.address.is_multicast or ip.address.is_unspecified):
            text = f"address '{ip.address}' in network '{network.name}' is not that of one host"
            raise NetworkXml(f"{text}: {at(f'/network/ip[{index}]')}; expected a unicast address")


def _dhcp_sections(network: Network, at: Places) -> None:
    """dnsmasq serves one subnet of each family."""
    first: dict[int, int] = {}
    for index, ip in enumerate(network.ips, 1):
        if ip.dhcp is None or not (ip.dhcp.ranges or ip.dhcp.hosts):
            continue
        if ip.version in first:
            one, other = (at(f"/network/ip[{number}]/dhcp") for number in (first[ip.version], index))
            text = f"Multiple IPv{ip.version} dhcp sections found -- dhcp is supported only for a single"
            raise NetworkUnsupported(f"{text} IPv{ip.version} address on each network: {other}, and {one}")
        first[ip.version] = index


def _portgroups(network: Network, at: Places) -> None:
    """One default, and every name once."""
    default, first = 0, dict[str | None, int]()
    for index, group in enumerate(network.portgroups, 1):
        place = at(f"/network/portgroup[{index}]")
        if group.name in first:
            text = f"multiple <portgroup> elements with the same name ({group.name})"
            there = at(f"/network/portgroup[{first[group.name]}]")
            raise NetworkUnsupported(f"{text} in network '{network.name}': {place}, and {there}")
        if group.default and default:
            both = f"({network.portgroups[default - 1].name} and {group.name})"
            text = f"network '{network.name}' has multiple default <portgroup> elements {both}"
            raise NetworkUnsupported(f"{text}, but only one default is allowed: {place}")
        default, first[group.name] = index if group.default else default, index


def _vlans(network: Network, at: Places) -> None:
    """Bridges of Linux and of Open vSwitch can tell VLANs apart, and cards; what is between cannot."""
    settings: list[tuple[str, Vlan | None, VirtualPort | None]]
    settings = [("/network/vlan", network.vlan, network.virtualport)]
    for index, group in enumerate(network.portgroups, 1):
        port = group.virtualport if group.virtualport and group.virtualport.type else network.virtualport
        settings.append((f"/network/portgroup[{index}]/vlan", group.vlan, port))
    bridged = network.own_bridge or bool(network.bridge_name) or network.mode in TAGGING
    for path, vlan, port in settings:
        switched = network.mode == "bridge" and port is not None and port.type == "openvswitch"
        if vlan is not None and not (bridged or switched):
            text = f"<vlan> element specified for network {network.name}, whose type doesn't support vlan"
            raise NetworkUnsupported(f"{text} configuration: {at(path)}, forward mode '{network.mode}'")


def _register(network: Network, at: Places) -> None:
    if network.domain and network.domain.register:
        text = f"network '{network.name}' asks to register its domain with systemd-resolved"
        place = at("/network/domain/@register")
        raise NetworkUnsupported(f"{text}, which is not served here: {place}; expected no")
