"""The DHCP and name servers of networks, as the actor watches them: one that dies is started again."""

from __future__ import annotations

from functools import partial

from embervirt import world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.drivers.driver import backoff
from embervirt.drivers.network import messages
from embervirt.drivers.network.backend.host import Host
from embervirt.drivers.network.backend.links import Links
from embervirt.drivers.network.backend.protocol import Switch
from embervirt.drivers.network.backend.server import reread
from embervirt.drivers.network.backend.sockets import Sockets, privileged
from embervirt.drivers.network.face import Face
from embervirt.drivers.network.service.filtering import Filtering
from embervirt.drivers.network.service.networks import Networks
from embervirt.drivers.network.service.planning import Planner
from embervirt.drivers.network.service.running import Running
from embervirt.drivers.network.service.switching import SwitchPlanner
from embervirt.drivers.network.store import Record, Store
from embervirt.drivers.network.tables import NetworkRow
from embervirt.drivers.root.journal import Operating
from embervirt.errors import libvirtError
from embervirt.supervisor.policy import delay
from embervirt.supervisor.processes import PROCESSES_ACTOR, ProcessExited, Watch, describe

STEADY = 60.0
"""Seconds after which a server that ran so long may die again as if it were the first time."""


class Servers(Actor):
    """The ground of the driver's actor: its hands, its records, and the watch over its children."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context)
        self._face = face
        self._store = Store(face.paths, context.fence)
        self._records: dict[str, Record] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    def open_hands(self) -> None:
        """On the actor's thread: its network namespace is the one at work."""
        hash8 = self._face.paths.hash8
        self._links = Links()
        self.resources.callback(self._links.close)
        self._switch, planner = self._hands(hash8)
        tables, fence = self._face.tables, self.context.fence
        self._networks = Networks(self._store, tables, fence, hash8, self._switch.taken)
        self._running = Running(self._store, self._switch, planner)
        self._filtering = Filtering(self._face.paths.path / "etc/nwfilter", hash8)

    def _hands(self, hash8: str) -> tuple[Switch, Planner]:
        """On this host if this program may, else on sockets."""
        paths = self._face.paths
        if privileged():
            return Host(self._links, hash8, self.context.fence.check), Planner(paths)
        return Sockets(paths.ports, self._reread, self.context.fence), SwitchPlanner(paths)

    def _reread(self, network: str) -> None:
        record = self._records.get(network)
        if record is not None and record.server is not None:
            reread(record.server)

    def _operation(self, what: str, row: NetworkRow) -> Operating:
        id_ = self.bus.operation(self.activity.trace or self.bus.new_trace())
        return self._face.journal.begin(id_, what, row.uuid, {"name": row.name}, self.context.fence)

    # Watching.

    def watch_server(self, record: Record) -> None:
        """Be told when its server ends."""
        if record.server is not None:
            self.bus.tell(PROCESSES_ACTOR, Watch(record.server, self.context.name, role=record.uuid))

    def forget_server(self, uuid: str) -> None:
        """Its end was wanted."""
        self._records.pop(uuid, None)
        self._failures.pop(uuid, None)

    @handles(ProcessExited)
    def ended(self, event: ProcessExited) -> None:
        """A server that somebody wanted to end is on no record any more."""
        for record in list(self._records.values()):
            if record.server is not None and record.server.identity.pid == event.pid:
                self.fell(record, f"{self._switch.server} {describe(event.status)}", self._switch.server)

    def fell(self, record: Record, why: str, what: str) -> None:
        """Something of an active network does not work: it is made again, after a delay that grows."""
        count, since = self._failures.get(record.uuid, (0, 0.0))
        now = world.monotonic()
        count = 1 if now - since > STEADY else count + 1
        self._failures[record.uuid] = (count, now)
        wait = delay(backoff(self._face.settings), count, world.uniform)
        self.log.warning("network needs repair", network=record.name, why=why, again_in=round(wait, 3))
        if self._networks.problem(record.uuid, what, why) is not None:
            self.publish(messages.NetworkDegraded(record.uuid, record.name, what, why))
        self.inbox.at(now + wait, partial(self._again, record))

    def _again(self, record: Record) -> None:
        if self._records.get(record.uuid) is not record:
            return  # stopped, or repaired, meanwhile
        try:
            found = self._running.repair(record)
        except libvirtError as error:
            self.fell(record, str(error), self._switch.server)
            return
        self._records[record.uuid] = found
        self.watch_server(found)
        self.ensure_ports(record.uuid)
        for what, _ in self._networks.find(record.uuid).problems:
            self._networks.problem(record.uuid, what, "")
            self.publish(messages.NetworkRecovered(record.uuid, record.name, what))

    # What ports do with networks is in a subclass.

    def load_ports(self) -> None:
        """Publish those that are there."""

    def ensure_ports(self, network: str) -> None:
        """A network was repaired: its ports are as they are to be."""

    def forget_ports(self, row: NetworkRow) -> None:
        """The network goes."""
