"""The start, stop and repair of a network. The record comes first, so whoever finds it knows the rest."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

import msgspec

from embervirt.actors.fence import Fenced
from embervirt.drivers.network.backend import server as servers
from embervirt.drivers.network.backend.protocol import Plan, Switch
from embervirt.drivers.network.errors import NetworkInvalid
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.service.planning import Planner
from embervirt.drivers.network.store import Record, Store, namespace
from embervirt.drivers.root.files import remove, write
from embervirt.drivers.root.journal import Operating
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.identity import boot_id
from embervirt.supervisor.processes import Watched

OTHERWISE = "by a program with other rights to the host's network (CAP_NET_ADMIN); destroy and start it again"


@dataclass(frozen=True)
class Running:
    """``switch``: hands on the host; ``planner``: what a network is there."""

    store: Store
    switch: Switch
    planner: Planner

    def start(self, network: Network, operation: Operating) -> Record:
        """Up when this returns; after an error nothing of it is left. Raises what ``Switch`` raises."""
        plan = self.planner.plan(network)
        left = self.store.left(str(network.name))
        if left is not None:
            self.stop(left)
        self.switch.check(plan)
        record = self.store.keep(_record(network, plan))
        with ExitStack() as undo:
            undo.callback(self._undo, record)
            operation.mark("recorded")
            with self.switch.ensuring(plan, new=True):
                operation.mark("joined")
                server = self._serve(plan)
            record = self.store.keep(msgspec.structs.replace(record, phase="active", server=server))
            undo.pop_all()
        return record

    def stop(self, record: Record) -> None:
        """Nothing of it is left when this returns."""
        record = self.store.keep(msgspec.structs.replace(record, phase="stopping"))
        network = self.planner.network(record.xml)
        plan = self.planner.plan(network)
        self.end_server(record, plan)
        self.switch.remove(record)
        for path in self.planner.all_files(str(network.name)):
            remove(path, durable=False, fence=self.store.fence)
        self.store.forget(record)

    def _undo(self, record: Record) -> None:
        """Of a start: the error that ended it is the one to tell. What is left is on record, for the next."""
        try:
            self.stop(record)
        except libvirtError as error:
            log = get_logger(driver="network")
            log.error("a start could not be undone", network=record.name, error=str(error))

    def rule(self, records: Iterable[Record]) -> set[str]:
        """UUIDs of those active networks that have their rules when this returns, of many at once."""
        plans = {}
        for record in records:
            with suppress(libvirtError):  # its own repair says so
                plans[record.uuid] = self._planned(record)
        try:
            self.switch.rule(plans.values())
        except libvirtError as error:
            get_logger(driver="network").warning("networks are repaired one by one", error=str(error))
            return set()
        return set(plans)

    def _planned(self, record: Record) -> Plan:
        plan = self.planner.plan(self.planner.network(record.xml))
        if plan.joined != record.bridge:
            raise NetworkInvalid(f"network '{record.name}' was started {OTHERWISE}")
        return plan

    def repair(self, record: Record, *, ruled: bool = False) -> Record:
        """An active network, found again, has all that it is to have. ``ruled``: it has its rules.

        Raises NetworkInvalid for one that was started with other rights than this program has.
        """
        plan = self._planned(record)
        self._ensure(replace(plan, firewall="") if ruled else plan)
        found = msgspec.structs.replace(record, tables=plan.tables, namespace=namespace())
        if plan.server is None:
            return self.store.keep(found)
        if record.server is None or record.namespace != namespace() or not servers.alive(record.server):
            return self.serve_again(found)
        return self.store.keep(found)

    def _ensure(self, plan: Plan) -> None:
        with self.switch.ensuring(plan, new=False):
            return

    def serve_again(self, record: Record) -> Record:
        """With a new server, in the place of any that there is. Raises NetworkInternal."""
        plan = self.planner.plan(self.planner.network(record.xml))
        self.end_server(record, plan)
        return self.store.keep(msgspec.structs.replace(record, server=self._serve(plan)))

    def change(self, record: Record, network: Network) -> Record:
        """An active network is another now; its server is restarted only if it has to be.

        Raises what ``start`` raises; then it is as it was.
        """
        before = self.planner.plan(self.planner.network(record.xml))
        after = self.planner.plan(network)
        changed = msgspec.structs.replace(record, xml=render(network), tables=after.tables)
        try:
            changed = self._changed(changed, before, after)
        except libvirtError:
            self.repair(self._changed(record, after, before))
            raise
        return self.store.keep(changed)

    def _changed(self, record: Record, before: Plan, after: Plan) -> Record:
        if after.firewall != before.firewall:
            self._ensure(after)
        if after.server is None or before.server is None or record.server is None or _restarts(before, after):
            self.end_server(record, before)
            return msgspec.structs.replace(record, server=self._serve(after))
        if after.files != before.files:
            self.write_files(after)
            servers.reread(record.server)
        return record

    def end_server(self, record: Record, plan: Plan) -> None:
        """None runs with that configuration when this returns. Raises Fenced: they are a successor's then."""
        self.store.check_fence()
        recorded = record.server is not None and servers.alive(record.server)
        if record.server is not None:
            servers.stop(record.server)
        if plan.server is not None and not recorded:
            self.store.check_fence()
            servers.end_all(plan.server)

    def write_files(self, plan: Plan) -> None:
        """What the server reads."""
        for path, content in plan.files.items():
            write(path, content.encode(), durable=False, fence=self.store.fence)

    def _serve(self, plan: Plan) -> Watched | None:
        """Raises Fenced, and nothing runs, when a successor is in charge: it would not know the server."""
        if plan.server is None:
            return None
        self.write_files(plan)
        server = plan.server.start()
        try:
            with self.store.fence.guard():
                return server
        except Fenced:
            servers.stop(server)
            raise


def _restarts(before: Plan, after: Plan) -> bool:
    """The hosts' files are read again at a signal, the configuration not by all."""
    if before.server is None or after.server is None:
        return True
    return not after.server.rereads and before.files[before.server.conf] != after.files[after.server.conf]


def _record(network: Network, plan: Plan) -> Record:
    return Record(
        uuid=str(network.uuid),
        name=str(network.name),
        xml=render(network),
        boot_id=boot_id(),
        namespace=namespace(),
        bridge=plan.joined,
        mac=plan.bridge.mac if plan.bridge else "",
        tables=plan.tables,
    )
