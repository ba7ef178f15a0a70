"""The connection's network calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embervirt.drivers.network import filters, messages
from embervirt.drivers.network.errors import NoNetwork
from embervirt.drivers.network.tables import NetworkRow
from embervirt.errors import NotSupported
from embervirt.libvirt.callbacks import Registration
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.network.base import NetworkConnection
from embervirt.libvirt.network.network import virNetwork


class NetworkCalls(NetworkConnection):
    """The part of ``virConnect`` that concerns networks."""

    def _network(self, row: NetworkRow) -> virNetwork:
        return virNetwork(self, row.uuid, row.name)

    # Making.

    def networkDefineXML(self, xml: str) -> virNetwork:
        """Keep a definition, durably."""
        return self.networkDefineXMLFlags(xml)

    def networkDefineXMLFlags(self, xml: str, flags: int = 0) -> virNetwork:
        """The same; VALIDATE (1) refuses what nobody knows."""
        only(flags, 1, "networkDefineXMLFlags")
        self._check_writable("virNetworkDefineXML")
        uuid, text = self._networks.read(xml, strict=bool(flags & 1))
        made = self._ask_network("virNetworkDefineXML", messages.Define(uuid, text))
        return virNetwork(self, made.uuid, made.name)

    def networkCreateXML(self, xmlDesc: str) -> virNetwork:
        """Start a network that is forgotten when it is stopped."""
        return self.networkCreateXMLFlags(xmlDesc)

    def networkCreateXMLFlags(self, xmlDesc: str, flags: int = 0) -> virNetwork:
        """The same; VALIDATE (1) refuses what nobody knows."""
        only(flags, 1, "networkCreateXMLFlags")
        self._check_writable("virNetworkCreateXML")
        uuid, text = self._networks.read(xmlDesc, strict=bool(flags & 1))
        made = self._ask_network("virNetworkCreateXML", messages.CreateNetwork(uuid, text))
        return virNetwork(self, made.uuid, made.name)

    # Finding.

    def networkLookupByName(self, name: str) -> virNetwork:
        """Raises NoNetwork."""
        for row in self._networks.tables.networks.values():
            if row.name == name:
                return self._network(row)
        raise NoNetwork(f"no network with matching name '{name}'")

    def networkLookupByUUIDString(self, uuidstr: str) -> virNetwork:
        """Raises InvalidArgument, NoNetwork."""
        return self._network(self._network_row(uuid_from_string(uuidstr)))

    def networkLookupByUUID(self, uuid: bytes) -> virNetwork:
        """16 bytes. Raises NoNetwork."""
        return self._network(self._network_row(uuid_text(uuid)))

    # Listing.

    def listAllNetworks(self, flags: int = 0) -> list[virNetwork]:
        """Those that match ``virConnectListAllNetworksFlags``."""
        only(flags, filters.ALL, "listAllNetworks")
        return [self._network(row) for row in self._networks.select(flags)]

    def listNetworks(self) -> list[str]:
        """Names of those that are active."""
        return [row.name for row in self._networks.select(filters.ACTIVE)]

    def listDefinedNetworks(self) -> list[str]:
        """Names of those that are not."""
        return [row.name for row in self._networks.select(filters.INACTIVE)]

    def numOfNetworks(self) -> int:
        """How many are active."""
        return len(self.listNetworks())

    def numOfDefinedNetworks(self) -> int:
        """How many are not."""
        return len(self.listDefinedNetworks())

    # Events.

    def networkEventRegisterAny(
        self, net: virNetwork | None, eventID: int, cb: Callable[..., Any], opaque: Any
    ) -> int:
        """Events of one network or of all; answers the id for ``networkEventDeregisterAny``.

        LIFECYCLE (0): ``cb(conn, net, event, detail, opaque)``.
        """
        uuid = None if net is None else net.UUIDString()

        def lifecycle(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, virNetwork(self, event.uuid, event.name), event.event, event.detail, opaque)

        self._face("network")
        if eventID != 0:
            raise NotSupported(f"network event {eventID}; known is 0 (lifecycle)")
        return self._register(Registration(messages.NetworkLifecycle, lifecycle))

    def networkEventDeregisterAny(self, callbackID: int) -> int:
        """Raises InvalidArgument for an id that is not registered."""
        self._deregister(callbackID)
        return 0
