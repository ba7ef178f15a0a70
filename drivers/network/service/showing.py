"""The XML of networks and ports as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from embervirt.drivers.network.model import Nat, NatPort, Network
from embervirt.drivers.network.tables import NetworkRow, PortRow
from embervirt.drivers.xml import render, replace

NAT_PORTS = NatPort(start=1024, end=65535)
"""What libvirt shows of an active network that translates addresses and names no ports."""


def network_xml(row: NetworkRow, ports: Sequence[PortRow], *, inactive: bool) -> str:
    """``inactive``: what its next start begins with. An active one tells how many guests use it."""
    if inactive or not row.active:
        return render(row.network if row.defined is None else row.defined)
    return render(_used(_translated(row.network), ports))


def _translated(network: Network) -> Network:
    forward = network.forward
    if forward is None or network.mode != "nat":
        return network
    nat = forward.nat or Nat()
    return replace(network, forward=replace(forward, nat=replace(nat, port=nat.port or NAT_PORTS)))


def _used(network: Network, ports: Sequence[PortRow]) -> Network:
    if not ports:
        return network
    network = replace(network, connections=len(ports))
    forward = network.forward
    if forward is None or not forward.interfaces:
        return network
    used = Counter(port.link for port in ports)
    interfaces = tuple(
        replace(each, connections=used[each.dev]) if each.dev and used[each.dev] else each
        for each in forward.interfaces
    )
    return replace(network, forward=replace(forward, interfaces=interfaces))
