"""``virNetworkPort``: a handle on one port of a network by UUID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from embervirt.drivers.network import messages
from embervirt.drivers.network.service.bandwidth import parameters
from embervirt.drivers.network.tables import PortRow
from embervirt.libvirt.flags import only
from embervirt.libvirt.named import Identified
from embervirt.libvirt.unbuilt import PORT, unbuilt

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.network.network import virNetwork


class virNetworkPort(Identified):
    """Made by look-ups and by creating; any thread may use it."""

    def __init__(self, net: virNetwork, uuid: str) -> None:
        self._net, self._uuid = net, uuid

    def __repr__(self) -> str:
        return f"<virNetworkPort {self._uuid} of {self._net.name()}>"

    def connect(self) -> virConnect:
        """The connection it was looked up on."""
        return self._net.connect()

    def network(self) -> virNetwork:
        """The network that it is on."""
        return self._net

    @property
    def _row(self) -> PortRow:
        return self._net._conn._port_row(self._net.UUIDString(), self._uuid, self._net.name())

    def XMLDesc(self, flags: int = 0) -> str:
        """As it is."""
        only(flags, 0, "XMLDesc")
        return self._row.xml

    def parameters(self, flags: int = 0) -> dict[str, int]:
        """Its bandwidth by libvirt's names, ``inbound.average`` and so on; empty without one."""
        only(flags, 0, "parameters")
        return parameters(self._row.bandwidth)

    def setParameters(self, params: Mapping[str, int], flags: int = 0) -> int:
        """Change its bandwidth, by the same names; what is 0 for ``average`` has no limit."""
        only(flags, 0, "setParameters")
        conn, network = self._net._conn, self._net.UUIDString()
        request = messages.SetPortParameters(network, self._uuid, dict(params))
        conn._ask_network("virNetworkPortSetParameters", request)
        return 0

    def delete(self, flags: int = 0) -> int:
        """No longer counted; what was set on its tap goes."""
        only(flags, 0, "delete")
        request = messages.DeletePort(self._net.UUIDString(), self._uuid)
        self._net._conn._ask_network("virNetworkPortDelete", request)
        return 0

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, PORT, self)
