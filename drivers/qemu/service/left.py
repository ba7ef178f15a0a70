"""What an earlier process left behind: starts it did not live to record, and guests whose record is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service.start import EXIT_STATUS, nonce
from embervirt.drivers.qemu.store import Record, Store
from embervirt.drivers.qemu.tables import Tables
from embervirt.drivers.root.journal import Journal, Operation
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import libvirtError
from embervirt.log import get_logger
from embervirt.supervisor import search
from embervirt.supervisor.processes import Watched

KILLED = 10.0
"""Seconds for the processes of a start that is undone."""

DIRECTORY = re.compile(r"domain-([0-9]{1,9})-")
GUEST = re.compile(rb"\0-name\0guest=((?:[^,\0]|,,)*)")
UUID = re.compile(rb"\0-uuid\0([0-9a-f-]{36})\0")
XML = "<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory>1</memory><os><type>hvm</type></os></domain>"


@dataclass(frozen=True)
class Left:
    """Run once when a root is opened, before any guest is started; ``session`` is this opening's."""

    paths: RootPaths
    store: Store
    journal: Journal
    tables: Tables
    session: str

    def settle(self, records: list[Record]) -> list[Plan]:
        """Undo what was begun and not recorded; the orphans, for adoption.

        What a record exists of is its guest's own to settle.
        """
        recorded = {record.uuid for record in records}
        for operation in self.journal.open():
            if operation.subject not in recorded and not operation.id.startswith(f"{self.session}-"):
                self._undo(operation)
        known = {record.id for record in records}
        found = [self._orphan(path) for path, id_ in self._directories() if id_ not in known]
        return [plan for plan in found if plan is not None]

    def _undo(self, operation: Operation) -> None:
        """A start without a record never let its guest run. The rest was meant for a guest that is gone."""
        if operation.what == "start":
            directory = self.paths.domain_dir(operation.plan["id"], operation.plan["name"])
            if not search.kill_all(nonce(directory), KILLED):
                return  # it stays open, and its process is an orphan
            ram = Path(operation.plan["ram_dir"])
            self.store.clean(operation.plan["id"], operation.plan["name"], ram)
        self.journal.end(operation.id, "done" if operation.what in ("destroy", "end") else "undone")

    def _directories(self) -> Iterator[tuple[Path, int]]:
        for path in sorted(self.paths.qemu_lib.iterdir()):
            match = DIRECTORY.match(path.name)
            if match:
                yield path, int(match[1])

    def _orphan(self, directory: Path) -> Plan | None:
        """Of a directory of a run: the process that carries it, if it lives; a directory of none goes."""
        found = search.program(nonce(directory))
        match = DIRECTORY.match(directory.name)
        if found is None or match is None:
            if not search.carrying(nonce(directory)):
                self.store.discard(directory)
            return None
        identity, spawned = found
        try:
            domain, xml = self._description(search.command_line(identity.pid))
        except libvirtError as error:
            log = get_logger(driver="qemu")
            log.error("a process of this root is no guest that is known", pid=identity.pid, error=str(error))
            return None
        watched = Watched(identity, spawned, str(directory / EXIT_STATUS))
        record = Record(int(match[1]), domain.uuid, domain.name, xml, watched, str(directory / "ram"))
        return Plan(record.id, domain, xml, recorded=True, orphan=record)

    def _description(self, command_line: bytes) -> tuple[Domain, str]:
        """The definition, which need not be what it was started from; else hardly more than its name."""
        name, uuid = GUEST.search(command_line), UUID.search(command_line)
        called = name[1].decode().replace(",,", ",") if name else ""
        row = self.tables.definitions.get(uuid[1].decode() if uuid else "")
        if row is not None and row.name == called:
            return row.domain, row.xml
        xml = XML.format(called, uuid[1].decode() if uuid else "")
        return model_of(xml), xml
