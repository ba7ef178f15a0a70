"""What libvirt keeps of a domain and these do not have: snapshots, checkpoints, saved memory, jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from embervirt.drivers.qemu.errors import (
    VIR_FROM_QEMU,
    DomainNotRunning,
    NoBackup,
    NoCheckpoint,
    NoSnapshot,
)
from embervirt.drivers.qemu.service import beside
from embervirt.drivers.root.files import remove
from embervirt.errors import NotSupported, OperationInvalid, SystemError_
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

JOB_FIELDS = 12


class Absent(Handle):
    """The part of ``virDomain`` whose answer is that there is none.

    A root that libvirt used before may have some: then NotSupported is raised, and nothing of it is touched.
    """

    def hasManagedSaveImage(self, flags: int = 0) -> int:
        """1 when libvirt saved its memory, to go on with it at the next start."""
        only(flags, 0, "hasManagedSaveImage")
        return int(self._saved().exists())

    def managedSaveRemove(self, flags: int = 0) -> int:
        """Forget that memory. Raises SystemError_ when there is none."""
        only(flags, 0, "managedSaveRemove")
        self._conn._check_writable("virDomainManagedSaveRemove")
        path = self._saved()
        if not path.exists():
            text = f"Failed to remove managed save file '{path}': No such file or directory"
            raise SystemError_(text, int1=2, virdomain=VIR_FROM_QEMU)
        remove(path, durable=True)
        return 0

    def managedSaveGetXMLDesc(self, flags: int = 0) -> NoReturn:
        """Raises OperationInvalid."""
        only(flags, 1, "managedSaveGetXMLDesc")
        if self._saved().exists():
            raise NotSupported(f"what libvirt saved in '{self._saved()}' cannot be read here")
        raise OperationInvalid("domain does not have managed save image", virdomain=VIR_FROM_QEMU)

    def _saved(self) -> Path:
        return self._face.paths.managed_save(self._known().name)

    def snapshotNum(self, flags: int = 0) -> int:
        """0."""
        self._no(self._face.paths.snapshots(self._known().name), "snapshots")
        return 0

    def snapshotListNames(self, flags: int = 0) -> list[str]:
        """None."""
        return [""] * self.snapshotNum(flags)

    def listAllSnapshots(self, flags: int = 0) -> list[Any]:
        """None."""
        return [None] * self.snapshotNum(flags)

    def hasCurrentSnapshot(self, flags: int = 0) -> int:
        """0."""
        only(flags, 0, "hasCurrentSnapshot")
        return self.snapshotNum()

    def snapshotCurrent(self, flags: int = 0) -> NoReturn:
        """Raises NoSnapshot."""
        self.snapshotNum()
        raise NoSnapshot("the domain does not have a current snapshot")

    def snapshotLookupByName(self, name: str, flags: int = 0) -> NoReturn:
        """Raises NoSnapshot."""
        self.snapshotNum()
        raise NoSnapshot(f"no domain snapshot with matching name '{name}'")

    def listAllCheckpoints(self, flags: int = 0) -> list[Any]:
        """None."""
        self._no(self._face.paths.checkpoints(self._known().name), "checkpoints")
        return []

    def checkpointLookupByName(self, name: str, flags: int = 0) -> NoReturn:
        """Raises NoCheckpoint."""
        self.listAllCheckpoints()
        raise NoCheckpoint(f"no domain checkpoint with matching name '{name}'")

    def backupGetXMLDesc(self, flags: int = 0) -> NoReturn:
        """Raises NoBackup."""
        self._known()
        raise NoBackup("no domain backup job present")

    def jobInfo(self) -> list[int]:
        """``[type, ...]``: type 0, no job, and nothing done. Raises OperationInvalid when it does not run."""
        self._check_running()
        return [0] * JOB_FIELDS

    def jobStats(self, flags: int = 0) -> dict[str, int]:
        """The same by name."""
        only(flags, 3, "jobStats")
        self._check_running()
        return {"type": 0}

    def abortJob(self) -> NoReturn:
        """Raises OperationInvalid."""
        self._conn._check_writable("virDomainAbortJob")
        self._check_running()
        raise OperationInvalid("no job is active on the domain", virdomain=VIR_FROM_QEMU)

    def _check_running(self) -> None:
        if self._running() is None:
            self._known()
            raise DomainNotRunning("domain is not running")

    @staticmethod
    def _no(directory: Path, what: str) -> None:
        count = beside.described(directory)
        if count:
            raise NotSupported(
                f"libvirt keeps {count} {what} of this domain in '{directory}'; here they cannot be used"
            )
