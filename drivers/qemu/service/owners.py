"""Files that QEMU's user owns while guests use them, and whose they were before.

Libvirt's dynamic ownership. What was before is on disk before a file changes hands, and a file that several
runs use goes back with the last of them: after a crash too, by whoever opens the root next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from embervirt import disk, world
from embervirt.drivers.qemu.errors import VIR_FROM_SECURITY
from embervirt.drivers.root.errors import FileRefused
from embervirt.drivers.root.files import Fence, explained, read, remove, write
from embervirt.drivers.root.handles import Handle, handle
from embervirt.errors import SystemError_
from embervirt.log import get_logger

Owner = tuple[int, int]
"""User and group."""

NOBODY = (0, 0)
"""Who gets a file back of which it is not to be remembered whose it was: root, as with libvirt."""

AS_IT_IS = frozenset({errno.EPERM, errno.EROFS, errno.EOPNOTSUPP, errno.ENOSYS})
"""A file system without owners, or that only the server may change: the file may be usable all the same."""


class Wanted(NamedTuple):
    """A file that a guest needs, and who is to have it. ``made``: it is made if it is not there."""

    path: str
    owner: Owner
    made: bool = False


class Kept(msgspec.Struct, frozen=True):
    """A file that changed hands. ``path`` has no symbolic links; ``runs``: ids of those that use it."""

    path: str
    device: int
    inode: int
    before: Owner
    given: Owner
    runs: tuple[int, ...]

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is."""
        return self.device, self.inode


Ledger = dict[tuple[int, int], Kept]


class Owners:
    """Of one root; for any thread. ``file`` is the ledger, which is there only while somebody has a file."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, world.Lock()
        self._log = get_logger(driver="qemu")

    def give(self, run: int, wanted: Iterable[Wanted], *, remember: bool, fence: Fence) -> None:
        """Each file to who is to have it; what is not there, or everybody's, is passed over.

        After an error ``take_back`` puts right what was done. Raises SystemError_, FileRefused for a symbolic
        link by which somebody would have us give away what is not his.
        """
        with self._lock, ExitStack() as held:
            ledger = self._read()
            found = [(each, held.enter_context(handle(Path(each.path)))) for each in _there(wanted)]
            known = dict(ledger)
            changing = [self._enter(ledger, run, each, at, remember) for each, at in found if at.givable]
            if ledger != known:
                self._write(ledger, fence, durable=ledger.keys() != known.keys())
            for each, at in filter(None, changing):
                with fence.guard():
                    self._change(each, at)

    def _enter(
        self, ledger: Ledger, run: int, wanted: Wanted, at: Handle, remember: bool
    ) -> tuple[Wanted, Handle] | None:
        """Note who has the file; what is to change hands, if it has to."""
        known = ledger.get(at.identity)
        if known is None and at.owner == wanted.owner:
            return None
        before = known.before if known else at.owner
        strangers = at.linkers - {0, at.owner[0], before[0]}
        if strangers:
            who = f"a symbolic link of user {min(strangers)}, the file there belongs to user {before[0]}"
            raise FileRefused(f"'{wanted.path}' leads through {who}: expected links of root or of that user")
        if known is None:
            known = Kept(str(at.path), *at.identity, at.owner if remember else NOBODY, wanted.owner, ())
        runs = tuple(dict.fromkeys((*known.runs, run)))
        ledger[at.identity] = msgspec.structs.replace(known, runs=runs, given=wanted.owner)
        return None if at.owner == wanted.owner else (wanted, at)

    def _change(self, wanted: Wanted, at: Handle) -> None:
        try:
            disk.give(Path(wanted.path), *wanted.owner, descriptor=at.descriptor)
        except OSError as error:
            who = "{}:{}".format(*wanted.owner)
            text = f"unable to set user and group to '{who}' on '{wanted.path}': {error.strerror}"
            if error.errno not in AS_IT_IS:
                raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_SECURITY) from error
            self._log.info(text)

    def take_back(self, run: int, fence: Fence, paths: Collection[str] | None = None) -> None:
        """What a run does not use any more: all of it, or what is at ``paths``. Reports what cannot be."""
        real = None if paths is None else {str(Path(path).resolve()) for path in paths}
        self._release(lambda kept: run in kept.runs and (real is None or kept.path in real), {run}, fence)

    def settle(self, runs: Collection[int], fence: Fence) -> None:
        """Of all runs but these."""
        if not self._file.exists():
            return
        gone = {run for kept in self._read().values() for run in kept.runs} - set(runs)
        self._release(lambda kept: bool(gone.intersection(kept.runs)), gone, fence)

    def _release(self, fits: Callable[[Kept], bool], gone: set[int], fence: Fence) -> None:
        if not self._file.exists():
            return
        with self._lock:
            ledger = self._read()
            for kept in [each for each in ledger.values() if fits(each)]:
                left = tuple(run for run in kept.runs if run not in gone)
                ledger[kept.identity] = msgspec.structs.replace(kept, runs=left)
                if not left:
                    with fence.guard():
                        self._restore(kept)
                    del ledger[kept.identity]
            try:
                self._write(ledger, fence, durable=False)
            except SystemError_ as error:  # what went back is not its user's any more, and left alone later
                self._log.error("the ledger of owners cannot be written", error=str(error))

    def _restore(self, kept: Kept) -> None:
        """Unless another file is there, or somebody else has given it away meanwhile."""
        try:
            with handle(Path(kept.path)) as at:
                if at.linkers or at.identity[1] != kept.inode or at.owner != kept.given:
                    self._log.info("a file is no longer what QEMU's user was given", path=kept.path)
                else:
                    disk.give(Path(kept.path), *kept.before, descriptor=at.descriptor)
        except OSError as error:
            self._log.warning("a file cannot be given back", path=kept.path, error=error.strerror)

    def _read(self) -> Ledger:
        if not self._file.exists():
            return {}
        try:
            found = msgspec.json.decode(read(self._file), type=list[Kept])
        except (FileRefused, msgspec.MsgspecError) as error:
            with explained("rename", self._file):
                aside = disk.set_aside(self._file)
            self._log.error("the ledger of owners is not usable", error=str(error), now=str(aside))
            return {}
        return {kept.identity: kept for kept in found}

    def _write(self, ledger: Ledger, fence: Fence, *, durable: bool) -> None:
        if ledger:
            write(self._file, msgspec.json.encode(list(ledger.values())), durable=durable, fence=fence)
        else:
            remove(self._file, durable=durable, fence=fence)


def _there(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each once; whoever opens a file that is not there says so better."""
    found = []
    for each in dict.fromkeys(wanted):
        with suppress(OSError):
            if each.made:
                touch(Path(each.path))
            Path(each.path).stat()
            found.append(each)
    return found


def touch(path: Path) -> None:
    """Make an empty file if nothing is there. Raises OSError."""
    with suppress(FileExistsError):
        disk.close(disk.create(path))
