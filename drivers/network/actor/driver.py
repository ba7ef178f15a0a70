"""The actor ``network``: networks. Starts and stops take some tens of milliseconds, on its own thread."""

from __future__ import annotations

from typing import Any

from embervirt.actors.actor import handles
from embervirt.drivers.network import messages
from embervirt.drivers.network.actor.updates import Updates
from embervirt.drivers.network.messages import NetworkRef
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.service import leases
from embervirt.drivers.network.states import check_active
from embervirt.drivers.network.store import Record
from embervirt.drivers.network.tables import NetworkRow
from embervirt.errors import libvirtError

DEFINED, UNDEFINED, STARTED, STOPPED = range(4)
"""virNetworkEventLifecycleType."""

START, STOP = "network-start", "network-destroy"
"""Operations in the journal."""

INTERRUPTED = "the driver ended in the middle of it"


class NetworkDriver(Updates):
    """Keeps nothing of its own: definitions and records are on disk, the rest is what is there."""

    def setup(self) -> None:
        """Publish what is on disk, and compare it with the world: what is missing is repaired."""
        self.open_hands()
        records = list(self._store.records())
        active = [each for each in records if each.phase == "active"]
        self._networks.load(active)
        self.load_filters()
        ruled = self._running.rule(active)
        for record in records:
            self.progress()
            if record.phase == "active":
                self._resume(record, ruled=record.uuid in ruled)
            else:
                self._finish_stop(record)
        self.load_ports()
        self.watch_links()
        self._settle()

    def _settle(self) -> None:
        """What became of operations whose generation, or process, did not live to say it."""
        for operation in self._face.journal.open():
            wanted = {START: True, STOP: False}.get(operation.what)
            if wanted is not None:
                done = wanted == (operation.subject in self._records)
                why = "" if done else INTERRUPTED
                self._face.journal.end(operation.id, "done" if done else "undone", why, self.context.fence)

    def _finish_stop(self, record: Record) -> None:
        """Of a start or stop that an earlier generation, or process, was in the middle of."""
        try:
            self._running.stop(record)
        except libvirtError as error:
            self.log.error("network could not be taken down", network=record.name, error=str(error))
            return
        if record.phase == "stopping":
            self.publish(messages.NetworkLifecycle(record.uuid, record.name, STOPPED))

    def _resume(self, record: Record, *, ruled: bool) -> None:
        self._records[record.uuid] = record
        try:
            record = self._running.repair(record, ruled=ruled)
        except libvirtError as error:
            self.fell(record, str(error), self._switch.server)
            return
        self._records[record.uuid] = record
        self.watch_server(record)

    @handles(messages.Define)
    def define(self, request: messages.Define) -> NetworkRef:
        """Durable when this replies."""
        row = self._networks.define(read_network(request.xml))
        self._announce(row, DEFINED)
        return NetworkRef(row.uuid, row.name)

    @handles(messages.Undefine)
    def undefine(self, request: messages.Undefine) -> None:
        """An active one goes on, without a definition."""
        self._announce(self._networks.undefine(request.uuid), UNDEFINED)

    @handles(messages.SetAutostart)
    def set_autostart(self, request: messages.SetAutostart) -> None:
        """Durable when this replies."""
        self._networks.set_autostart(request.uuid, request.on)

    @handles(messages.Start)
    def activate(self, request: messages.Start) -> None:
        """Guests can join when this replies."""
        self._start(self._networks.beginning(request.uuid))

    @handles(messages.CreateNetwork)
    def create_network(self, request: messages.CreateNetwork) -> NetworkRef:
        """The same, of one without a definition."""
        row = self._networks.transient(read_network(request.xml))
        self._start(row)
        return NetworkRef(row.uuid, row.name)

    def _start(self, row: NetworkRow) -> None:
        with self._operation(START, row) as operation:
            record = self._running.start(row.network, operation)
            self._records[row.uuid] = record
        self.watch_server(record)
        self._announce(self._networks.activated(row, record.bridge), STARTED)

    @handles(messages.Stop)
    def deactivate(self, request: messages.Stop) -> None:
        """Nothing of it is left on the host when this replies, and no guest on it."""
        row = self._networks.find(request.uuid)
        check_active(row)
        with self._operation(STOP, row):
            self.forget_ports(row)
            self._running.stop(self._records[row.uuid])
            self.forget_server(row.uuid)
        self._announce(self._networks.deactivated(row), STOPPED)

    @handles(messages.FindLeases)
    def find_leases(self, request: messages.FindLeases) -> Any:
        """As its server has written them down."""
        row = self._networks.named(request.network)
        found = [] if row is None else leases.of(self._face.paths, row, request.mac)
        return [leases.message(each) for each in found]

    def _announce(self, row: NetworkRow, event: int) -> None:
        self.publish(messages.NetworkLifecycle(row.uuid, row.name, event))
