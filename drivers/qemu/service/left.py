"""What an earlier process left behind: starts it did not live to record, and guests whose record is lost."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from embervirt import disk
from embervirt.drivers.qemu.backend import swtpm
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.ports import channel_dir
from embervirt.drivers.qemu.service import tpm
from embervirt.drivers.qemu.service.running import nonce
from embervirt.drivers.qemu.service.start import EXIT_STATUS
from embervirt.drivers.qemu.store import Record, Store
from embervirt.drivers.qemu.tables import Tables
from embervirt.drivers.root.journal import Journal, Operation
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import OperationInvalid, libvirtError
from embervirt.log import get_logger
from embervirt.supervisor import search
from embervirt.supervisor.identity import command_line, rights
from embervirt.supervisor.processes import Watched

KILLED = 10.0
"""Seconds for the processes of a start that is undone."""

GUEST = re.compile(rb"\0-name\0guest=((?:[^,\0]|,,)*)")
UUID = re.compile(rb"\0-uuid\0([0-9a-f-]{36})\0")
XML = "<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory>1</memory><os><type>hvm</type></os></domain>"


def undo(start: Operation, paths: RootPaths, store: Store) -> bool:
    """End what a start without a record has made, process and directories; False when it does not end."""
    id_, name = start.plan["id"], start.plan["name"]
    directory = paths.domain_dir(id_, name)
    if not all(search.kill_all(each, KILLED) for each in (nonce(directory), swtpm.nonce(directory))):
        return False
    disk.unlink(tpm.socket(paths, id_, name), missing_ok=True)
    store.clear(id_, name, Path(start.plan["ram_dir"]))
    return True


def undo_starts(plan: Plan, paths: RootPaths, store: Store, journal: Journal) -> None:
    """Before a start: an earlier one of this domain may have been given up while it waited for its QEMU.

    Raises OperationInvalid when that does not end.
    """
    starts = [each for each in journal.values() if each.what == "start" and each.state != "done"]
    for each in starts:
        if each.subject == plan.domain.uuid and each.plan["id"] != plan.id:
            directory = paths.domain_dir(each.plan["id"], each.plan["name"])
            if directory.is_dir() and not undo(each, paths, store):
                text = f"domain is already running: a process of '{directory}', which does not end"
                raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)


@dataclass(frozen=True)
class Left:
    """Run once when a root is opened, before any guest is started; ``session`` is this opening's."""

    paths: RootPaths
    store: Store
    journal: Journal
    tables: Tables
    session: str
    memory_backing_dir: str | None

    def settle(self, records: list[Record]) -> list[Plan]:
        """Undo what was begun and not recorded; the orphans, for adoption.

        What a record exists of is its guest's own to settle.
        """
        recorded = {(record.uuid, record.id) for record in records}
        for operation in self.journal.open():
            run = operation.subject, operation.plan.get("id")
            if run not in recorded and not operation.id.startswith(f"{self.session}-"):
                self._undo(operation)
        known = {record.id for record in records}
        found = [self._orphan(path, id_) for path, id_ in self.store.runs() if id_ not in known]
        self.store.take_back_others({id_ for _, id_ in self.store.runs()} | {record.id for record in records})
        return [plan for plan in found if plan is not None]

    def _undo(self, operation: Operation) -> None:
        """A start without a record never let its guest run. The rest was meant for a guest that is gone."""
        if operation.what == "start" and not self._undone(operation):
            return  # it stays open, and its process is an orphan
        self.journal.end(operation.id, "done" if operation.what in ("destroy", "end") else "undone")

    def _undone(self, start: Operation) -> bool:
        """One that had its record lost that, and its guest may run: it is not ours to end."""
        directory = self.paths.domain_dir(start.plan["id"], start.plan["name"])
        runs = "recorded" in start.steps and search.program(nonce(directory)) is not None
        return not runs and undo(start, self.paths, self.store)

    def _orphan(self, directory: Path, id_: int) -> Plan | None:
        """Of a directory of a run: the process that carries it, if it lives; a directory of none goes."""
        found = search.program(nonce(directory))
        if found is None:
            if not search.carrying(nonce(directory)):
                self.store.discard(directory)
                self.store.discard(channel_dir(directory))
            return None
        identity, spawned = found
        try:
            domain, xml = self._description(command_line(identity.pid))
        except libvirtError as error:
            log = get_logger(driver="qemu")
            log.error("a process of this root is no guest that is known", pid=identity.pid, error=str(error))
            return None
        watched = Watched(identity, spawned, str(directory / EXIT_STATUS))
        ram = self.paths.ram_path(id_, domain.name, self.memory_backing_dir)
        acts_as = rights(identity.pid)
        account = None if acts_as == (os.geteuid(), os.getegid()) else acts_as
        record = Record(id_, domain.uuid, domain.name, xml, watched, str(ram), account=account)
        return Plan(record.id, domain, xml, recorded=True, orphan=record)

    def _description(self, arguments: bytes) -> tuple[Domain, str]:
        """The definition, which need not be what it was started from; else hardly more than its name."""
        name, uuid = GUEST.search(arguments), UUID.search(arguments)
        called = name[1].decode(errors="replace").replace(",,", ",") if name else ""
        row = self.tables.definitions.get(uuid[1].decode() if uuid else "")
        if row is not None and row.name == called:
            return row.domain, row.xml
        xml = XML.format(escape(called), uuid[1].decode() if uuid else "")
        return model_of(xml), xml
