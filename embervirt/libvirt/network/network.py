"""``virNetwork``: a handle on one network by UUID."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embervirt.drivers.network import messages
from embervirt.drivers.network.errors import NetworkInternal
from embervirt.drivers.network.service import leases
from embervirt.drivers.network.tables import NetworkRow
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.named import Named
from embervirt.libvirt.network.base import NetworkConnection
from embervirt.libvirt.network.port import virNetworkPort
from embervirt.libvirt.unbuilt import NETWORK, unbuilt


class virNetwork(Named):
    """Made by look-ups and by defining; any thread may use it."""

    _conn: NetworkConnection

    def __init__(self, conn: NetworkConnection, uuid: str, name: str) -> None:
        self._conn, self._uuid, self._name = conn, uuid, name

    @property
    def _row(self) -> NetworkRow:
        return self._conn._network_row(self._uuid, self._name)

    def XMLDesc(self, flags: int = 0) -> str:
        """As it is; with INACTIVE (1) what its next start begins with."""
        only(flags, 1, "XMLDesc")
        return self._conn._networks.xml(self._row, inactive=bool(flags & 1))

    def bridgeName(self) -> str:
        """The bridge that guests join. Raises NetworkInternal for a network that has none.

        An active one of sockets, which took no privilege, has none.
        """
        row = self._row
        name = row.bridge if row.active else row.network.bridge_name
        if not name:
            raise NetworkInternal(f"network '{row.name}' does not have a bridge name.")
        return name

    def isActive(self) -> int:
        """1 or 0."""
        return int(self._row.active)

    def isPersistent(self) -> int:
        """1 when it is defined."""
        return int(self._row.persistent)

    def autostart(self) -> int:
        """1 when it starts with the driver."""
        return int(self._row.autostart)

    def setAutostart(self, autostart: int) -> int:
        """Durable when this returns."""
        request = messages.SetAutostart(self._uuid, bool(autostart))
        self._conn._ask_network("virNetworkSetAutostart", request)
        return 0

    def create(self) -> int:
        """Start it."""
        self._conn._ask_network("virNetworkCreate", messages.Start(self._uuid))
        return 0

    def destroy(self) -> int:
        """Stop it; nothing of it is left on the host."""
        self._conn._ask_network("virNetworkDestroy", messages.Stop(self._uuid))
        return 0

    def undefine(self) -> int:
        """Forget its definition; an active one goes on without."""
        self._conn._ask_network("virNetworkUndefine", messages.Undefine(self._uuid))
        return 0

    def update(self, command: int, section: int, parentIndex: int, xml: str, flags: int = 0) -> int:
        """Change one section: virNetworkUpdateCommand, -Section, which of several (-1: any), its element;
        LIVE (1), CONFIG (2), 0 for whichever it is.
        """
        only(flags, 3, "update")
        request = messages.Update(self._uuid, command, section, parentIndex, xml, flags)
        self._conn._ask_network("virNetworkUpdate", request)
        return 0

    def DHCPLeases(self, mac: str | None = None, flags: int = 0) -> list[dict[str, Any]]:
        """Of all guests, or of the one with ``mac``: a dictionary each, as libvirt-python has it.

        ``iface``, ``expirytime`` (Unix time), ``type`` (virIPAddrType), ``mac``, ``iaid``, ``ipaddr``,
        ``prefix``, ``hostname``, ``clientid``.
        """
        only(flags, 0, "DHCPLeases")
        return leases.of(self._conn._networks.paths, self._row, mac)

    # Ports.

    def listAllPorts(self, flags: int = 0) -> list[virNetworkPort]:
        """All it has. Raises NetworkInvalid when it is not active."""
        only(flags, 0, "listAllPorts")
        return [self._port(row.id) for row in self._conn._port_rows(self._uuid, self._name)]

    def portLookupByUUIDString(self, uuidstr: str) -> virNetworkPort:
        """Raises InvalidArgument, NoPort."""
        row = self._conn._port_row(self._uuid, uuid_from_string(uuidstr), self._name)
        return self._port(row.id)

    def portLookupByUUID(self, uuid: bytes) -> virNetworkPort:
        """16 bytes. Raises NoPort."""
        return self._port(self._conn._port_row(self._uuid, uuid_text(uuid), self._name).id)

    def portCreateXML(self, xmldesc: str, flags: int = 0) -> virNetworkPort:
        """A port as the XML describes it; RECLAIM (1): it is there already, VALIDATE (2)."""
        only(flags, 3, "portCreateXML")
        self._conn._check_writable("virNetworkPortCreateXML")
        text = self._conn._networks.read_port(xmldesc, strict=bool(flags & 2))
        request = messages.CreatePort(self._uuid, text, flags)
        return self._port(self._conn._ask_network("virNetworkPortCreateXML", request))

    def _port(self, uuid: str) -> virNetworkPort:
        return virNetworkPort(self, uuid)

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, NETWORK, self)
