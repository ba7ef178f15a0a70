"""A network beside those that are there, and beside what the host uses: one name, bridge and subnet each."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.network.errors import NetworkConflict, NetworkInternal
from embervirt.drivers.network.model import Network, Subnet
from embervirt.drivers.network.validate.places import Places


def check_conflicts(network: Network, others: Iterable[Network], at: Places | None = None) -> None:
    """``others``: all definitions, an older one of itself too. Raises NetworkConflict, NetworkInternal."""
    at = at or Places()
    for other in others:
        if other.uuid == network.uuid:
            if other.name != network.name:
                text = f"network '{other.name}' is already defined with uuid {other.uuid}"
                raise NetworkConflict(f"{text}: {at('/network/uuid')}")
            continue
        if other.name == network.name:
            text = f"network '{other.name}' already exists with uuid {other.uuid}: {at('/network/name')}"
            raise NetworkConflict(text)
        if network.own_bridge and network.bridge_name and other.bridge_name == network.bridge_name:
            text = f"bridge name '{network.bridge_name}' already in use by network '{other.name}'"
            raise NetworkInternal(f"{text}: {at('/network/bridge')}")


def check_subnets(network: Network, taken: Iterable[tuple[str, Subnet]], at: Places | None = None) -> None:
    """``taken``: names of links and the subnets that are reached by them. Raises NetworkInternal."""
    at = at or Places()
    for link, used in taken:
        for index, ip in enumerate(network.ips, 1):
            if used.version == ip.version and used.prefixlen and used.overlaps(ip.subnet):
                text = f"Network is already in use by interface {link}: {used} overlaps {ip.interface}"
                raise NetworkInternal(f"{text} of network '{network.name}', {at(f'/network/ip[{index}]')}")
