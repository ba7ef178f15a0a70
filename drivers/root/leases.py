"""Which guest of this root uses which image: two that cannot go together never do.

A lease is on disk before QEMU opens the image, and lasts as long as the run: an actor or a process that dies
keeps it, the end of the run frees it, and so does whoever opens the root next when the run is gone. One that
stayed all the same is found out when it is in somebody's way. An image is known by what it is (device and
inode, or the number of a block device), whatever path, link or volume leads to it.

It is for guests of one root, and names who is in the way. What keeps two roots, or any other program, apart
are the locks of QEMU itself. Servers' images (NBD, iSCSI, RBD) have no lease: that is their own matter.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import msgspec

from embervirt import disk, world
from embervirt.drivers.root.errors import FileRefused, ImageInUse
from embervirt.drivers.root.files import Fence, explained, read, remove, write
from embervirt.errors import SystemError_
from embervirt.log import get_logger
from embervirt.supervisor import search


class Lease(msgspec.Struct, frozen=True):
    """One image of one disk of a run. ``path``: as the run calls it; ``image``: which it is.

    ``shares``: others may write it meanwhile. ``mark``: a text on the command line of the run's process.
    """

    image: str
    path: str
    run: int
    guest: str
    disk: str
    mark: str
    writes: bool
    shares: bool

    def hinders(self, other: Lease) -> bool:
        """Whether the two cannot go together, as QEMU's locks have it. A disk is not in its own way."""
        if self.image != other.image or (self.run, self.disk) == (other.run, other.disk):
            return False
        return (self.writes and not other.shares) or (other.writes and not self.shares)


Lives = Callable[[Lease], bool]
"""Whether the run of a lease goes on."""


def image_at(path: str) -> str:
    """Which image is at a path. Raises OSError."""
    found = Path(path).stat()
    if stat.S_ISBLK(found.st_mode):
        return f"block {found.st_rdev}"
    return f"{found.st_dev}:{found.st_ino}"


def carried(lease: Lease) -> bool:
    """Whether any process has its mark: for who knows nothing else of guests."""
    return bool(search.carrying(lease.mark))


class Leases:
    """Of one root; for any thread. ``file`` is there only while a guest has an image."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, world.Lock()
        self._log = get_logger(driver="qemu")

    def take(self, wanted: Collection[Lease], lives: Lives, fence: Fence) -> None:
        """All of them or none. Raises ImageInUse naming who is in the way, SystemError_."""
        if not wanted:
            return
        with self._lock:
            known = self._read()
            gone: set[int] = set()
            for number, each in enumerate(wanted):
                for other in (*known, *list(wanted)[:number]):
                    if other.run in gone or not each.hinders(other):
                        continue
                    if other.run == each.run or lives(other):
                        raise in_use(each, other)
                    gone.add(other.run)
            kept = [each for each in known if each.run not in gone and each not in wanted]
            self._write([*kept, *dict.fromkeys(wanted)], fence)

    def release(self, run: int, fence: Fence, paths: Collection[str] | None = None) -> None:
        """What a run does not use any more: all of it, or what it calls by one of ``paths``. Never raises."""
        self._keep(lambda lease: lease.run != run or (paths is not None and lease.path not in paths), fence)

    def settle(self, runs: Collection[int], fence: Fence) -> None:
        """Those of all runs but these are over."""
        self._keep(lambda lease: lease.run in runs, fence)

    def of(self, path: str, lives: Lives = carried) -> list[Lease]:
        """Who uses the image at a path now."""
        if not self._file.exists():
            return []
        try:
            image = image_at(path)
        except OSError:
            return []
        with self._lock:
            found = [lease for lease in self._read() if lease.image == image]
        return [lease for lease in found if lives(lease)]

    def _keep(self, fits: Callable[[Lease], bool], fence: Fence) -> None:
        if not self._file.exists():
            return
        with self._lock:
            known = self._read()
            kept = [lease for lease in known if fits(lease)]
            if len(kept) == len(known):
                return
            try:
                self._write(kept, fence)
            except SystemError_ as error:  # whoever is hindered by it finds out that its run is over
                self._log.error("leases of images cannot be written", error=str(error))

    def _read(self) -> list[Lease]:
        if not self._file.exists():
            return []
        try:
            return msgspec.json.decode(read(self._file), type=list[Lease])
        except (FileRefused, msgspec.MsgspecError) as error:
            with explained("rename", self._file):
                aside = disk.set_aside(self._file)
            self._log.error("leases of images are not usable", error=str(error), now=str(aside))
            return []

    def _write(self, leases: Iterable[Lease], fence: Fence) -> None:
        """Volatile: what runs, and holds them, does not survive what a sync guards against either."""
        listed = list(leases)
        if listed:
            write(self._file, msgspec.json.encode(listed), durable=False, fence=fence)
        else:
            remove(self._file, durable=False, fence=fence)


def in_use(wanted: Lease, other: Lease) -> ImageInUse:
    """The error of who is hindered."""
    called = "" if wanted.path == other.path else f" as '{other.path}'"
    how = "for writing" if other.writes else "for reading"
    who = f"'{wanted.path}' of disk '{wanted.disk}' is in use by domain '{other.guest}'"
    accepted = "an image of its own, <readonly/> in both, or <shareable/> in both for a raw image"
    return ImageInUse(f"{who} (its disk '{other.disk}'{called}, {how}); accepted would be {accepted}")
