"""The ports of networks, as the actor keeps them: guests' taps, and ports that somebody described."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from uuid import uuid4

import msgspec

from embervirt import world
from embervirt.actors.actor import handles
from embervirt.actors.handover import Token
from embervirt.drivers.network import messages
from embervirt.drivers.network.actor.servers import Servers
from embervirt.drivers.network.backend.notices import Notices
from embervirt.drivers.network.backend.protocol import PortPlan
from embervirt.drivers.network.backend.sockets import ends
from embervirt.drivers.network.errors import NoNetwork, NoPort, already_port
from embervirt.drivers.network.messages import Plug, Port
from embervirt.drivers.network.model import Bandwidth, NetworkPort
from embervirt.drivers.network.reading import read_port
from embervirt.drivers.network.service import bandwidth, porting
from embervirt.drivers.network.states import check_active
from embervirt.drivers.network.tables import NetworkRow, PortRow
from embervirt.drivers.root.descriptors import close_all
from embervirt.drivers.xml import render
from embervirt.drivers.xml import replace as with_
from embervirt.errors import InternalError, libvirtError

RECLAIM = 1
"""virNetworkPortCreateFlags: the port is there, and its plug is known."""

LATE = 5.0
"""Seconds that descriptors are kept beyond the time in which somebody must take them."""

TYPES: dict[str, Literal["tap", "macvtap", "dgram"]] = {"tap": "tap", "direct": "macvtap", "dgram": "dgram"}
"""What QEMU is given, by the type of the port."""

VANISHED = "its tap is gone"
ABANDONED = "nobody has its macvtap open"


class Ports(Servers):
    """Plug, unplug and update."""

    def watch_links(self) -> None:
        """Be told when a tap goes, which happens when QEMU ends."""
        notices = Notices()
        self.resources.callback(notices.close)
        self.inbox.watch(notices.fileno(), lambda: self._links_changed(notices))
        self._handed: dict[Token, list[int]] = {}
        self.resources.callback(self._take_back_all)

    def _links_changed(self, notices: Notices) -> None:
        if notices.gone():
            self._sweep_ports()
            self._sweep_networks()

    def _sweep_networks(self) -> None:
        """A bridge that somebody removed is made again."""
        for record in list(self._records.values()):
            if record.mac and not self._switch.taken(record.bridge):
                self.fell(record, f"bridge '{record.bridge}' is gone", "bridge")

    def _sweep_ports(self) -> None:
        for row in self._face.tables.ports.values():
            if row.tap and self._switch.gone(row):
                self._forget(row, VANISHED)

    # What is there when the driver starts.

    def load_ports(self) -> None:
        """Publish those whose taps are there, and give them what they are to have; forget the others."""
        found = list(self._store.ports())
        self._face.tables.ports.replace(self.context.fence, {row.id: row for row in found})
        self._sweep_ports()
        for row in self._switch.abandoned(self._face.tables.ports.values()):
            self._forget(row, ABANDONED)
        filtered = self._switch.filtered() if found else set()
        for row in self._face.tables.ports.values():
            if row.network and not row.uri and row.network not in self._records:
                self._forget(row, "its network is gone")
            elif row.tap:
                self._ensure(row, row.tap in filtered)

    def ensure_ports(self, network: str) -> None:
        """All of a network's are in its bridge."""
        for row in self._face.ports(network):
            if row.tap:
                self._ensure(row, True)

    def _ensure(self, row: PortRow, filtered: bool) -> None:
        """A filter that is there stays as it is: it has learned its guest's addresses."""
        try:
            plan = self._planned(row)
            self._switch.ensure_port(replace(plan, filter=None) if filtered and plan.filter else plan)
        except libvirtError as error:
            self.log.error("port could not be repaired", port=row.id, tap=row.tap, error=str(error))

    def _planned(self, row: PortRow) -> PortPlan:
        rules, _ = self._filtering.rules(row)
        return replace(porting.planned(row), filter=rules)

    # Guests.

    @handles(Plug)
    def plug(self, request: Plug) -> Port:
        """A tap that is joined and up when this replies; a repeated request gets a new one in its place."""
        before = self._of(request)
        if before is not None:
            self._switch.unplug(before)
        network = self._wanted_network(request)
        ports = self._face.tables.ports.values()
        where = porting.place(request, network, [row for row in ports if row is not before])
        id_ = str(uuid4()) if before is None else before.id
        tap = porting.new_tap(self._face.paths.hash8, where, request, partial(self._taken, before))
        return self._made(
            porting.port(request, where, network.network if network else None, id_, tap), before
        )

    def _made(self, row: PortRow, before: PortRow | None) -> Port:
        """The port of ``row``, in place of the one that was there ``before``."""
        self._store.keep_port(row)
        try:
            row, descriptors = self._switch.plug(self._planned(row))
        except BaseException:
            self._drop(row)
            raise
        with ExitStack() as undo:
            undo.callback(self._take_away, row, descriptors)
            self._publish(row)
            if before is None:
                self.publish(messages.PortPlugged(row.network, row.id, row.owner, row.mac, row.tap))
            undo.pop_all()
        return self._reply_of(row, self._hand_over(descriptors))

    def _take_away(self, row: PortRow, descriptors: list[int]) -> None:
        """Of a plug that failed: the record goes last, for who finds it knows the rules."""
        close_all(descriptors)
        self._switch.unplug(row)
        self._drop(row)

    def _of(self, request: Plug) -> PortRow | None:
        wanted = request.owner.run, request.card, request.mac
        rows = self._face.tables.ports.values()
        return next((row for row in rows if (row.run, row.card, row.mac) == wanted), None)

    def _wanted_network(self, request: Plug) -> NetworkRow | None:
        if request.type != "network":
            return None
        found = self._networks.named(request.source)
        if found is None:
            raise NoNetwork(f"no network with matching name '{request.source}'")
        return found

    def _taken(self, but: PortRow | None, name: str) -> bool:
        used = any(row.tap == name for row in self._face.tables.ports.values() if row is not but)
        return used or self._switch.taken(name)

    def _reply_of(self, row: PortRow, token: Token) -> Port:
        far, near = ends(self._face.paths.ports, row.tap) if row.type == "dgram" else ("", "")
        return Port(
            id=row.id,
            type=TYPES[row.type],
            tap=row.tap,
            bridge=row.bridge,
            mtu=row.mtu,
            token=token,
            link=row.link,
            mode=row.mode,
            queues=row.queues,
            vnet_hdr=row.vnet_hdr,
            local=str(far),
            remote=str(near),
        )

    def _hand_over(self, descriptors: list[int]) -> Token:
        """What nobody takes in time is closed, and with it the tap goes."""
        until = self.activity.deadline or world.monotonic() + self.bus.seconds
        token = self.bus.handover.put(descriptors, until + LATE)
        self._handed[token] = descriptors
        self.inbox.at(until, partial(self._take_back, token))
        return token

    def _take_back(self, token: Token) -> None:
        self._handed.pop(token, None)
        try:
            descriptors: list[int] = self.bus.handover.take(token)
        except InternalError:  # somebody has them
            return
        close_all(descriptors)

    def _take_back_all(self) -> None:
        for token in list(self._handed):
            self._take_back(token)

    @handles(messages.Unplug)
    def unplug(self, request: messages.Unplug) -> None:
        """Nothing of it is left when this replies."""
        row = self._face.tables.ports.get(request.port)
        if row is not None:
            self._forget(row, "")

    @handles(messages.UpdatePort)
    def update_port(self, request: messages.UpdatePort) -> None:
        """It is so when this replies."""
        row = self._port(request.port)
        wished = {
            "link_up": request.link_up,
            "bandwidth": request.bandwidth,
            "filterref": request.filterref,
            "vlan": request.vlan,
            "isolated": request.isolated,
        }
        self._change(row, **{name: value for name, value in wished.items() if value is not None})

    def _change(self, row: PortRow, **what: Any) -> None:
        now = porting.changed(row, **what)
        if now.tap:
            self._switch.ensure_port(self._planned(now))
        self._store.keep_port(now)
        self._publish(now)

    # Ports that somebody described.

    @handles(messages.CreatePort)
    def create_port(self, request: messages.CreatePort) -> str:
        """Counted when this replies."""
        network = self._networks.find(request.network)
        check_active(network)
        described = read_port(request.xml)
        porting.check_reclaim(described, reclaim=bool(request.flags & RECLAIM))
        id_ = described.uuid or str(uuid4())
        known = self._face.tables.ports.get(id_)
        if known is not None:
            raise already_port(id_)
        row = _described_row(with_(described, uuid=id_), network)
        self._publish(self._store.keep_port(row))
        self.publish(messages.PortPlugged(row.network, row.id, row.owner, row.mac, row.tap))
        return id_

    @handles(messages.DeletePort)
    def delete_port(self, request: messages.DeletePort) -> None:
        """Not counted any more."""
        self._forget(self._port(request.port, request.network), "")

    @handles(messages.SetPortParameters)
    def set_parameters(self, request: messages.SetPortParameters) -> None:
        """They hold when this replies."""
        row = self._port(request.port, request.network)
        self._change(row, bandwidth=bandwidth.changed(row.bandwidth, request.values))

    def _port(self, id_: str, network: str = "") -> PortRow:
        if network:
            check_active(self._networks.find(network))
        row = self._face.tables.ports.get(id_)
        if row is None or (network and row.network != network):
            raise NoPort(f"no network port with matching UUID '{id_}'")
        return row

    # Their end.

    def forget_ports(self, row: NetworkRow) -> None:
        """Guests stay plugged into nothing, as with libvirt."""
        for port in self._face.ports(row.uuid):
            self._forget(port, "its network was stopped", keep_tap=True)

    def _forget(self, row: PortRow, why: str, *, keep_tap: bool = False) -> None:
        if row.tap:
            self._switch.unplug(row, keep_tap=keep_tap)
        self._drop(row)
        self.publish(messages.PortUnplugged(row.network, row.id, row.owner, row.mac, row.tap, why))

    def _drop(self, row: PortRow) -> None:
        self._store.forget_port(row.id)
        self._face.tables.ports.drop(self.context.fence, row.id)

    def _publish(self, row: PortRow) -> None:
        self._store.keep_port(row)
        self._face.tables.ports.put(self.context.fence, row.id, row)


def _described_row(described: NetworkPort, network: NetworkRow) -> PortRow:
    limits: Bandwidth | None = described.bandwidth
    row = PortRow(
        id=str(described.uuid),
        network=network.uuid,
        owner=(described.owner.uuid if described.owner else None) or "",
        name=(described.owner.name if described.owner else None) or "",
        run="",
        mac=described.mac.address if described.mac else "",
        type="tap",
        xml="",
        bridge=network.bridge,
        bandwidth=porting.text_of(limits),
        vlan=porting.text_of(described.vlan),
        isolated=bool(described.port and described.port.isolated),
    )
    plug = described.plug or porting.plug_of(network)
    return msgspec.structs.replace(row, link=plug.dev or "", xml=render(with_(described, plug=plug)))
