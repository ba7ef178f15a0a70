"""What a network is on this host: from its description to a plan (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.network import names
from embervirt.drivers.network.backend.dnsmasq import Dnsmasq
from embervirt.drivers.network.backend.links import BridgeWish, Shape
from embervirt.drivers.network.backend.protocol import Plan, Way
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.model.traffic import Rate
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.render import dnsmasq as rendered
from embervirt.drivers.network.render import firewall
from embervirt.drivers.root.paths import RootPaths

KILOBYTE = 1000
"""What libvirt hands to tc as ``kbps`` is 1000 bytes a second; what it hands on as ``kb`` is 1024 bytes."""

Table = tuple[str, str]
"""Family and name."""


@dataclass(frozen=True)
class Planner:
    """``paths``: of the root."""

    paths: RootPaths

    @staticmethod
    def network(xml: str) -> Network:
        """As it was recorded."""
        return read_network(xml)

    def plan(self, network: Network) -> Plan:
        """As the network is to be."""
        if not network.own_bridge:
            return Plan(network, None, network.bridge_name)
        bandwidth = network.bandwidth
        rules, tables = self._firewall(network)
        limit = police(bandwidth.outbound if bandwidth else None)
        server, files = self._server(network)
        return Plan(
            network=network,
            bridge=_wish(network),
            joined=network.bridge_name,
            addresses=tuple(ip.interface for ip in network.ips),
            routes=tuple(
                Way(route.subnet, route.gateway, route.metric or 1)
                for route in network.routes
                if route.gateway is not None
            ),
            forwards=_forwards(network),
            firewall=rules,
            tables=tables + (self._policing(network) if limit else ()),
            server=server,
            files=files,
            shape=shape(bandwidth.inbound if bandwidth else None),
            police=limit,
        )

    def _firewall(self, network: Network) -> tuple[str, tuple[Table, ...]]:
        table = names.network_table(self.paths.hash8, str(network.uuid))
        rules = firewall.ruleset(network, table).removeprefix(firewall.gone(table))
        return rules, (("inet", table),) if rules else ()

    def _policing(self, network: Network) -> tuple[Table, ...]:
        return (("netdev", names.policing_table(self.paths.hash8, network.bridge_name)),)

    def _server(self, network: Network) -> tuple[Dnsmasq | None, dict[Path, str]]:
        if not rendered.needed(network):
            return None, {}
        server = self.server(str(network.name))
        hosts = server.conf.with_name(f"{network.name}.hostsfile")
        addresses = server.conf.with_name(f"{network.name}.addnhosts")
        return server, {
            server.conf: rendered.configuration(network, hosts, addresses),
            hosts: rendered.hosts(network),
            addresses: rendered.names(network),
        }

    def server(self, name: str) -> Dnsmasq:
        """Of the network of that name."""
        lib, run = self.paths.dnsmasq, self.paths.networks_run
        log = self.paths.networks_log / f"{name}.log"
        return Dnsmasq(
            network=name,
            conf=lib / f"{name}.conf",
            leases=lib / f"{name}.leases",
            log=log,
            status=run / f"{name}.status",
        )

    def all_files(self, name: str) -> list[Path]:
        """Everything of it but its definition and its log."""
        lib, run = self.paths.dnsmasq, self.paths.networks_run
        endings = ("conf", "hostsfile", "addnhosts", "leases")
        return [*(lib / f"{name}.{each}" for each in endings), run / f"{name}.pid", run / f"{name}.status"]


def _wish(network: Network) -> BridgeWish:
    bridge, mac = network.bridge, network.mac
    assert mac is not None
    return BridgeWish(
        name=network.bridge_name,
        mac=mac.address,
        mtu=network.mtu.size if network.mtu else 0,
        stp=bridge is None or bridge.stp is not False,
        delay=(bridge.delay or 0) if bridge else 0,
    )


def _forwards(network: Network) -> tuple[int, ...]:
    """Also of open ones, as libvirt does: only the rules are the user's."""
    if network.mode == "none":
        return ()
    return tuple(sorted({ip.version for ip in network.ips}))


def shape(rate: Rate | None) -> Shape | None:
    """What may be sent, in bytes; libvirt's unit is the kilobyte."""
    if rate is None or not rate.average:
        return None
    average = rate.average * KILOBYTE
    return Shape(average, (rate.peak or rate.average) * KILOBYTE, (rate.burst or 0) * 1024)


def police(rate: Rate | None) -> tuple[int, int] | None:
    """What may come: KiB a second, and KiB at once, the average if nothing is said, as in libvirt."""
    if rate is None or not rate.average:
        return None
    return rate.average, rate.burst or rate.average
