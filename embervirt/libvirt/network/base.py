"""What a connection offers the handles of networks: rows out of the tables, and calls."""

from __future__ import annotations

from typing import TypeVar

from embervirt.actors.messages import Request
from embervirt.drivers.network.errors import NoPort
from embervirt.drivers.network.face import Face
from embervirt.drivers.network.states import check_active, no_network
from embervirt.drivers.network.tables import NetworkRow, PortRow
from embervirt.libvirt.connection import Connection

R = TypeVar("R")


class NetworkConnection(Connection):
    """The ground of the part of ``virConnect`` that concerns networks."""

    @property
    def _networks(self) -> Face:
        face: Face = self._face("network")
        return face

    @property
    def _network_driver(self) -> Face:
        """Filters are the root's own, also where its networks are a libvirtd's."""
        face: Face = self._part("network").face
        return face

    def _network_row(self, uuid: str, name: str = "") -> NetworkRow:
        """Raises NoNetwork."""
        row = self._networks.tables.networks.get(uuid)
        if row is None:
            raise no_network(uuid, name)
        return row

    def _port_rows(self, network: str, name: str = "") -> list[PortRow]:
        """Of an active network. Raises NoNetwork, NetworkInvalid."""
        check_active(self._network_row(network, name))
        return self._networks.ports(network)

    def _port_row(self, network: str, uuid: str, name: str = "") -> PortRow:
        """Of a network that is active, for another has none. Raises NoNetwork, NoPort."""
        for row in self._networks.ports(self._network_row(network, name).uuid):
            if row.id == uuid:
                return row
        raise NoPort(f"no network port with matching UUID '{uuid}'")

    def _ask_network(self, call: str, request: Request[R]) -> R:
        """Ask the driver."""
        self._check_writable(call)
        self._network_driver  # noqa: B018 - raises for a connection that is closed, or has no networks
        return self.root.call("network", request)
