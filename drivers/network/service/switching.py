"""What a network is without privilege: from its description to a plan for a switch (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import msgspec

from embervirt.drivers.network.backend.protocol import Plan
from embervirt.drivers.network.backend.switching import SwitchServer
from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import Bootp, Dhcp, DhcpHost, Dns, Ip, Network
from embervirt.drivers.network.service.planning import Planner
from embervirt.drivers.network.switch.config import Config, Host, written

LEASE = 3600
"""Seconds of a lease of which nothing is said, as with dnsmasq."""

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}

NEEDS = "needs the right to configure this host's network (CAP_NET_ADMIN)"

Said = Callable[[Network], object]


def _dns(network: Network) -> Dns:
    return network.dns or Dns()


PRIVILEGED: dict[str, Said] = {
    "<virtualport>": lambda network: network.virtualport,
    "<bandwidth>": lambda network: network.bandwidth,
    "<vlan>": lambda network: network.vlan,
    "<route>": lambda network: network.routes,
    "<forwarder> in <dns>": lambda network: _dns(network).forwarders,
    "<srv> in <dns>": lambda network: _dns(network).srvs,
    "<tftp>": lambda network: [ip for ip in network.ips if ip.tftp],
    "<ip family='ipv6'>": lambda network: [ip for ip in network.ips if ip.version == 6],
    "a second <ip>": lambda network: network.ips[1:],
    "<dnsmasq:options>": lambda network: network.options,
}
"""What a switch does not do, with what tells that a network wants it."""


@dataclass(frozen=True)
class SwitchPlanner(Planner):
    """In the place of bridge, firewall and dnsmasq there is one program, which is told by its file."""

    def plan(self, network: Network) -> Plan:
        """Raises NetworkUnsupported for what takes a privilege."""
        check(network)
        server = self.switch(str(network.name))
        content = written(self.config(network)).decode()
        return Plan(network, None, "", server=server, files={server.conf: content})

    def switch(self, name: str) -> SwitchServer:
        """Of the network of that name."""
        conf, run = self.paths.dnsmasq / f"{name}.switch", self.paths.networks_run
        return SwitchServer(name, conf, self.paths.networks_log / f"{name}.log", run / f"{name}.status")

    def all_files(self, name: str) -> list[Path]:
        """Everything of it but its definition and its log."""
        return [*super().all_files(name), self.switch(name).conf]

    def config(self, network: Network) -> Config:
        """As the switch reads it."""
        dns = _dns(network)
        assert network.mac is not None
        plain = Config(
            network=str(network.name),
            mac=network.mac.address,
            ports=str(self.paths.ports),
            uuid=str(network.uuid),
            leases=str(self.paths.dnsmasq / f"{network.name}.leases"),
            domain=(network.domain.name if network.domain else None) or "",
            names={name: tuple(found) for name, found in _names(dns).items()},
            texts={txt.name.lower(): txt.value or "" for txt in dns.txts if txt.name},
            answers=dns.enable is not False,
            mtu=(network.mtu.size if network.mtu else 0) or 0,
        )
        return _addressed(plain, network.ips[0]) if network.ips else plain


def check(network: Network) -> None:
    """Raises NetworkUnsupported, which says what it is that takes a privilege."""
    if network.mode != "none":
        text = f"network '{network.name}': forward mode '{network.mode}' {NEEDS}"
        raise NetworkUnsupported(f"{text}; without it a network has none, and guests go out by type 'user'")
    for what, said in PRIVILEGED.items():
        if said(network):
            raise NetworkUnsupported(f"network '{network.name}': {what} {NEEDS}; expected none of it")


def _addressed(config: Config, ip: Ip) -> Config:
    dhcp = ip.dhcp or Dhcp()
    bootp = dhcp.bootp or Bootp()
    return msgspec.structs.replace(
        config,
        address=str(ip.interface),
        ranges=tuple((str(each.start), str(each.end)) for each in dhcp.ranges),
        hosts=tuple(_hosts(dhcp.hosts)),
        lease=_lease(dhcp),
        boot=(bootp.file or "", str(bootp.server) if bootp.server else ""),
    )


def _hosts(hosts: tuple[DhcpHost, ...]) -> Iterator[Host]:
    for each in hosts:
        if isinstance(each.ip, IPv4Address):
            yield Host(str(each.ip), (each.mac or "").lower(), each.name or "")


def _lease(dhcp: Dhcp) -> int:
    """One for all of a switch: what its first range says."""
    found = next((each.lease for each in dhcp.ranges if each.lease), None)
    if found is None or found.expiry is None:
        return LEASE
    return found.expiry * UNITS[found.unit or "minutes"]


def _names(dns: Dns) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in dns.hosts:
        for name in host.names:
            found.setdefault(name.lower(), []).append(str(host.ip))
    return found
