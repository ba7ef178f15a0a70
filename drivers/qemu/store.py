"""The QEMU driver's files: definitions in ``etc/qemu`` as libvirt keeps them, running guests in ``run/qemu``.

Running guests are never described in libvirt's live-status form, for a libvirt that opens this root
later would kill those it cannot reconnect to: a guest's record is ``NAME.json``, which libvirt ignores.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from embervirt import disk
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.owners import Owners, Wanted
from embervirt.drivers.qemu.ports import channel_dir
from embervirt.drivers.qemu.tables import Definition
from embervirt.drivers.root.definitions import Definitions
from embervirt.drivers.root.files import Fence, move, read, remove, write
from embervirt.drivers.root.leases import Lease, Leases, Lives
from embervirt.drivers.root.paths import RootPaths, below
from embervirt.drivers.xml import parse
from embervirt.errors import SystemError_, libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.identity import boot_id
from embervirt.supervisor.processes import Watched

FORMAT = 2
RUN_DIRECTORY = re.compile(r"domain-([0-9]{1,9})-")


class Record(msgspec.Struct, frozen=True):
    """A running guest on disk: all that a new generation, or a new process, needs to find it again.

    ``xml`` is what it was started from, ``live`` how it runs: with aliases, ports, and what was plugged;
    ``state`` the last that was known. A record of format 1 had neither; one of a newer format is read as far
    as it is understood, and not written. ``reboots``: its next power-off is half of a reboot.
    ``tpm``: the swtpm of its own that it has. ``account``: user and group that they run as, if not as we do.
    By the alias of a network card: ``ports``, its port's id; ``helpers``, its passt.
    ``agent_timeout``: how long its agent has to answer, virDomainAgentResponseTimeoutValues or seconds.
    """

    id: int
    uuid: str
    name: str
    xml: str
    process: Watched
    ram_dir: str
    autodestroy: bool = False
    state: tuple[int, int] = (1, 0)
    live: str = ""
    reboots: bool = False
    tpm: Watched | None = None
    account: tuple[int, int] | None = None
    ports: dict[str, str] = {}
    helpers: dict[str, Watched] = {}
    agent_timeout: int = -1
    format: int = FORMAT


class Store(Definitions):
    """``fence``: of the generation that writes; ``owners``, ``leases``: of the files that guests use."""

    def __init__(self, paths: RootPaths, fence: Fence, owners: Owners, leases: Leases) -> None:
        super().__init__(paths.qemu_etc, paths.qemu_autostart, fence)
        self.paths = self._paths = paths
        self._owners, self._leases = owners, leases
        self._log = get_logger(driver="qemu")

    def definitions(self) -> Iterator[tuple[str, Domain]]:
        """Text and model of each definition; one that cannot be read is reported and left as it is."""
        for path in sorted(self._paths.qemu_etc.glob("*.xml")):
            try:
                text = read(path).decode()
                yield text, parse(Domain, text)
            except (libvirtError, UnicodeDecodeError) as error:
                self._log.error("definition is not usable", file=str(path), error=str(error))

    def rename(self, old: str, new: str, xml: str, autostart: bool) -> None:
        """The definition, its link and what libvirt keeps by name; a crash on the way leaves both."""
        paths, fence = self._paths, self._fence
        self.set_autostart(new, autostart)
        try:
            self.define(new, xml)
        except SystemError_:
            self.set_autostart(new, False)
            raise
        for path in (paths.managed_save, paths.snapshots, paths.checkpoints):
            move(path(old), path(new), fence=fence)
        self.undefine(old)

    def younger(self, one: Definition | None, other: Definition) -> Definition:
        """Of two with the same UUID the one that was written last; the other's file is reported."""
        if one is None:
            return other
        first, last = sorted((one, other), key=lambda row: self._definition(row.name).stat().st_mtime_ns)
        self._log.error("definition is not used", file=str(self._definition(first.name)), uuid=last.uuid)
        return last

    def records(self) -> Iterator[Record]:
        """Of guests that ran when this was last known; after a reboot of the host they are void."""
        for path in sorted(self._paths.qemu_run.glob("*.json")):
            try:
                record = msgspec.json.decode(read(path), type=Record)
                model_of(record.xml)
            except (libvirtError, msgspec.MsgspecError) as error:
                self._log.error("a guest's record is not usable", file=str(path), error=str(error))
                continue
            if record.process.identity.boot_id == boot_id():
                yield record
            else:
                self.forget(record)

    def runs(self) -> list[tuple[Path, int]]:
        """The directories that runs left, each with its id: one without a record may still be alive."""
        found = ((path, RUN_DIRECTORY.match(path.name)) for path in sorted(self._paths.qemu_lib.iterdir()))
        return [(path, int(match[1])) for path, match in found if match]

    def highest_id(self) -> int:
        """Of the runs that left a directory, else 0."""
        return max((id_ for _, id_ in self.runs()), default=0)

    def record(self, name: str) -> Record | None:
        """Of one guest, None when there is none, or nobody can read it. Raises FileRefused."""
        path = self._record(name)
        try:
            return msgspec.json.decode(read(path), type=Record) if path.exists() else None
        except msgspec.MsgspecError as error:
            self._log.error("a guest's record is not usable", file=str(path), error=str(error))
            return None

    def keep(self, record: Record) -> None:
        """Write a guest's record and its pid file, as libvirt names it; volatile, like the guest."""
        pid = f"{record.process.identity.pid}\n".encode()
        for path in self._pid_files(record.name):
            write(path, pid, durable=False, fence=self._fence)
        self.note(record)

    def note(self, record: Record) -> None:
        """Write a guest's record alone."""
        content = msgspec.json.encode(record)
        write(self._record(record.name), content, durable=False, fence=self._fence)

    def forget(self, record: Record) -> None:
        """Remove what a run of a guest left: its directory, its memory, its pid file, and last its record."""
        self.clear(record.id, record.name, Path(record.ram_dir))

    def clear(self, id_: int, name: str, ram_dir: Path) -> None:
        """The same of a run that may have no record; a later run of that name keeps its files."""
        self.clean(id_, name, ram_dir)
        record = self.record(name)
        if record is None or record.id == id_:
            for path in (*self._pid_files(name), self._record(name)):
                remove(path, durable=False, fence=self._fence)

    def _record(self, name: str) -> Path:
        return below(self._paths.qemu_run, f"{name}.json")

    def _pid_files(self, name: str) -> list[Path]:
        """None for a guest called ``driver``: that one is the lock of libvirt's driver."""
        path = below(self._paths.qemu_run, f"{name}.pid")
        return [] if path in self._paths.libvirt_locks else [path]

    def clean(self, id_: int, name: str, ram_dir: Path) -> None:
        """Remove the directories of one run; files that were lent to it go back."""
        self.take_back(id_)
        directory = self._paths.domain_dir(id_, name)
        for each in (directory, channel_dir(directory), ram_dir, self._paths.passt_dir(id_)):
            self.discard(each)

    def lend(self, id_: int, wanted: Iterable[Wanted], *, remember: bool) -> None:
        """Files to a run until it gives them back, or is cleaned. Raises as ``Owners.give``."""
        self._owners.give(id_, wanted, remember=remember, fence=self._fence)

    def lease(self, wanted: Collection[Lease], lives: Lives) -> None:
        """Images to a run, for as long. Raises ImageInUse, SystemError_."""
        self._leases.take(wanted, lives, self._fence)

    def take_back(self, id_: int, paths: Collection[str] | None = None) -> None:
        """All that a run was lent or leased, or what is at ``paths``; what another one uses stays so."""
        self._owners.take_back(id_, self._fence, paths)
        self._leases.release(id_, self._fence, paths)

    def take_back_others(self, ids: Collection[int]) -> None:
        """What any run but these was lent or leased: they are over."""
        self._owners.settle(ids, self._fence)
        self._leases.settle(ids, self._fence)

    def discard(self, directory: Path) -> None:
        """Remove a directory with all that is in it, if it is there."""
        with self._fence.guard():
            if directory.is_dir():
                disk.remove_tree(directory)
