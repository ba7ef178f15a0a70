"""The networks of a libvirtd in place of the root's own: guests get taps of ours in bridges of its.

It is told of each port (virNetworkPort), so that it counts them, and answers with the bridge or link and all
that the network asks for. One without that API is asked for the name of its bridge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any
from uuid import uuid4

import msgspec

from embervirt.actors.actor import Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.libvirtd import Asking, Libvirtd, requests
from embervirt.drivers.libvirtd.connection import Asked
from embervirt.drivers.libvirtd.library import NO_SUPPORT, failure
from embervirt.drivers.network import messages
from embervirt.drivers.network.actor.driver import NetworkDriver
from embervirt.drivers.network.errors import (
    NetworkInvalid,
    NetworkUnsupported,
    NoNetwork,
    NoPort,
    PortExists,
)
from embervirt.drivers.network.face import Face
from embervirt.drivers.network.messages import FindLeases, Lease, Plug, Port, Unplug, UpdatePort
from embervirt.drivers.network.model import NetworkPort, PortPlug
from embervirt.drivers.network.reading import read_port
from embervirt.drivers.network.service import leases, porting
from embervirt.drivers.network.service.porting import Place
from embervirt.drivers.network.tables import PortRow
from embervirt.drivers.xml import render, replace
from embervirt.errors import libvirtError

LEAVES: dict[int, type[libvirtError]] = {
    each.code: each for each in (NetworkInvalid, NetworkUnsupported, NoNetwork, NoPort, PortExists)
}
PATIENCE = 5.0
"""Seconds that an unplug waits until the libvirtd has heard of it."""

GONE = {NoNetwork.code, NoPort.code, NetworkInvalid.code, NO_SUPPORT}
"""What a libvirtd says of a port that it has not, or not any more: its network is gone or inactive."""

FILTERS = {messages.DefineFilter, messages.UndefineFilter}


class NetworksElsewhere(NetworkDriver, Asking):
    """Taps, bandwidth and filters are made here, as of the root's own networks."""

    driver = "network"
    refused = requests(messages) - {Plug, Unplug, UpdatePort, FindLeases} - FILTERS

    def __init__(self, context: Context, face: Face, libvirtd: Libvirtd) -> None:
        super().__init__(context, face)
        self.libvirtd = libvirtd
        self._leaving: dict[str, Asked] = {}

    @handles(Plug)
    def plug(self, request: Plug) -> Any:
        """As the root's own, but for the networks that guests name."""
        return self._plug_there(request) if request.type == "network" else super().plug(request)

    def _plug_there(self, request: Plug) -> Work[Port]:
        known = self._of(request)
        id_ = str(uuid4()) if known is None else known.id
        undo = partial(_delete, methodcaller("networkLookupByName", request.source), id_)
        network, told = yield from self.ask(partial(_create, request, _wish(request, id_)), undo)
        try:
            return self._made_there(request, network, read_port(told))
        except BaseException:
            self.libvirtd.begin(undo)
            raise

    def _made_there(self, request: Plug, network: str, described: NetworkPort) -> Port:
        before = self._of(request)
        if before is not None:
            self._switch.unplug(before)
        where = _place(described, network)
        tap = porting.new_tap(self._face.paths.hash8, where, request, partial(self._taken, before))
        row = porting.row_of(request, where, described, 0, tap)
        return self._made(msgspec.structs.replace(row, uri=self.libvirtd.uri), before)

    @handles(Unplug)
    def unplug(self, request: Unplug) -> Any:
        """Nothing of it is left here when this replies, nor there if that libvirtd answers."""
        super().unplug(request)
        leaving = self._leaving.get(request.port)
        if leaving is not None:
            yield self.within(leaving.future, PATIENCE)

    def _forget(self, row: PortRow, why: str, *, keep_tap: bool = False) -> None:
        super()._forget(row, why, keep_tap=keep_tap)
        if row.uri and row.uri != self.libvirtd.uri:
            self.log.warning("port stays on record: the setting names another", port=row.id, uri=row.uri)
        elif row.uri:
            find = methodcaller("networkLookupByUUIDString", row.network)
            asked = self._leaving[row.id] = self.libvirtd.begin(partial(_delete, find, row.id))
            asked.future.add_done_callback(lambda _: self.post(partial(self._left, row, asked)))

    def _left(self, row: PortRow, asked: Asked) -> None:
        self._leaving.pop(row.id, None)
        error = asked.future.exception()
        if error is not None:
            self.log.warning("port stays on record", port=row.id, uri=row.uri, error=str(error))

    @handles(FindLeases)
    def find_leases(self, request: FindLeases) -> Work[list[Lease]]:
        """As that libvirtd has them."""
        try:
            found: list[Lease] = yield from self.ask(partial(_leases, request))
        except NoNetwork:
            return []
        return found


def _wish(request: Plug, id_: str) -> str:
    """What libvirt's own QEMU driver tells of a port; where it leads to is the network driver's to say."""
    return render(replace(porting.describe(request, Place("tap"), None, None, id_), plug=None))


def _create(request: Plug, port: str, conn: Any) -> tuple[str, str]:
    """The network's UUID, and the port as it was made, or was there already."""
    network = conn.networkLookupByName(request.source)
    if not network.isActive():
        raise NetworkInvalid(f"network '{request.source}' is not active")
    id_ = porting.read(NetworkPort, port).uuid
    uuid = network.UUIDString()
    try:
        return uuid, network.portCreateXML(port, 0).XMLDesc()
    except failure() as error:
        code = _code(error)
        if code == PortExists.code:
            return uuid, network.portLookupByUUIDString(id_).XMLDesc()
        if code != NO_SUPPORT:
            raise
        plug = PortPlug(type="bridge", bridge=network.bridgeName())
        return uuid, render(replace(porting.read(NetworkPort, port), plug=plug))


def _code(error: Any) -> int:
    code: int = error.get_error_code()
    return code


def _delete(find: Callable[[Any], Any], port: str, conn: Any) -> None:
    """``find``: the network. Fine when it, or the port, is gone."""
    try:
        find(conn).portLookupByUUIDString(port).delete()
    except failure() as error:
        if _code(error) not in GONE:
            raise


def _place(described: NetworkPort, network: str) -> Place:
    """Where the libvirtd says that it leads to. Raises NetworkUnsupported."""
    plug = described.plug or PortPlug(type="none")
    if plug.type in ("network", "bridge"):
        return Place("tap", network, plug.bridge or "", known=plug.mac_table_manager == "libvirt")
    if plug.type == "direct":
        return Place("direct", network, link=plug.dev or "", mode=plug.mode or "vepa")
    text = f"interface {described.mac.address if described.mac else ''}: its network leads to '{plug.type}'"
    raise NetworkUnsupported(f"{text}; expected a bridge or a link of this host")


def _leases(request: FindLeases, conn: Any) -> list[Lease]:
    told = conn.networkLookupByName(request.network).DHCPLeases(request.mac)
    return [leases.message(each) for each in told]
