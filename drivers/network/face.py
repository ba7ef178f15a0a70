"""What the network driver has once for each root: its tables, and what handles need to ask it."""

from __future__ import annotations

from embervirt.actors.bus import Bus
from embervirt.drivers.driver import Environment
from embervirt.drivers.network import filters
from embervirt.drivers.network.reading import read_definition, read_port
from embervirt.drivers.network.service.showing import network_xml
from embervirt.drivers.network.tables import NetworkRow, PortRow, Tables
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.xml import render


class Face:
    """Shared by the driver's actor and the handles; owns nothing but the tables."""

    def __init__(self, environment: Environment) -> None:
        self.paths: RootPaths = environment.paths
        self.bus: Bus = environment.bus
        self.journal = environment.journal
        self.settings = environment.settings
        self.tables = Tables()

    @staticmethod
    def read(text: str, *, strict: bool = False) -> tuple[str, str]:
        """Parse, complete and check; UUID and final XML. Raises XmlError and its leaves, others."""
        network = read_definition(text, strict=strict)
        return str(network.uuid), render(network)

    @staticmethod
    def read_port(text: str, *, strict: bool = False) -> str:
        """The same of a port: its final XML."""
        return render(read_port(text, strict=strict))

    def select(self, flags: int) -> list[NetworkRow]:
        """Networks that match ``virConnectListAllNetworksFlags``, by name."""
        return filters.select(self.tables.networks.values(), flags)

    def ports(self, network: str) -> list[PortRow]:
        """Those of a network, by their UUIDs."""
        found = (row for row in self.tables.ports.values() if row.network == network)
        return sorted(found, key=lambda row: row.id)

    def xml(self, row: NetworkRow, *, inactive: bool) -> str:
        """As it is, or as its next start begins with."""
        return network_xml(row, self.ports(row.uuid), inactive=inactive)
