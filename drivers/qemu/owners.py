"""Files that QEMU's user owns while guests use them, and whose they were before.

Libvirt's dynamic ownership. What was before is on disk before a file changes hands, and a file that several
runs use goes back with the last of them: after a crash too, by whoever opens the root next.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

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
    """A file that a guest needs, and who is to have it.

    ``made``: it is made if it is not there; ``ours``: a socket that was made for the run, and ends with it.
    """

    path: str
    owner: Owner
    made: bool = False
    ours: bool = False


class Kept(msgspec.Struct, frozen=True):
    """A file that changed hands. ``path`` has no symbolic links; ``runs``: ids of those that use it.

    ``ours``: nobody gets it back.
    """

    path: str
    device: int
    inode: int
    before: Owner
    given: Owner
    runs: tuple[int, ...]
    ours: bool = False

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is."""
        return self.device, self.inode


Runs = tuple[int, ...]
Ledger = dict[tuple[int, int], Kept]


class Owners:
    """Of one root; for any thread. ``file`` is the ledger, which is there only while somebody has a file.

    Who waits for the disk of a file holds up only those that want the same file.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, world.Lock()
        self._busy: dict[tuple[int, int], Any] = {}
        self._log = get_logger(driver="qemu")

    def give(self, run: int, wanted: Iterable[Wanted], *, remember: bool, fence: Fence) -> None:
        """Each file to who is to have it; what is not there, or everybody's, is passed over.

        After an error ``take_back`` puts right what was done. Raises SystemError_, FileRefused for a symbolic
        link by which somebody would have us give away what is not his.
        """
        with ExitStack() as held:
            found = [(each, held.enter_context(handle(Path(each.path)))) for each in _there(wanted)]
            found = [(each, at) for each, at in found if at.givable]
            for identity in sorted({at.identity for _, at in found}):
                held.enter_context(self._alone(identity))
            with self._lock:
                ledger = self._read()
                known = dict(ledger)
                changing = [self._enter(ledger, run, each, at.again(), remember) for each, at in found]
                if ledger != known:
                    self._write(ledger, fence, durable=ledger.keys() != known.keys())
            for each, at in filter(None, changing):
                with fence.guard():
                    self._change(each, at)

    def _alone(self, identity: tuple[int, int]) -> AbstractContextManager[bool]:
        """Held by who changes the owner of that file."""
        with self._lock:
            lock: AbstractContextManager[bool] = self._busy.setdefault(identity, world.Lock())
            return lock

    def _enter(
        self, ledger: Ledger, run: int, wanted: Wanted, at: Handle, remember: bool
    ) -> tuple[Wanted, Handle] | None:
        """Note who has the file; what is to change hands, if it has to."""
        known = ledger.get(at.identity)
        if known is None and at.owner == wanted.owner and not wanted.ours:
            return None
        before = known.before if known else at.owner
        strangers = at.linkers - {0, at.owner[0], before[0]}
        if strangers:
            who = f"a symbolic link of user {min(strangers)}, the file there belongs to user {before[0]}"
            raise FileRefused(f"'{wanted.path}' leads through {who}: expected links of root or of that user")
        if known is None:
            before = before if remember else NOBODY
            known = Kept(str(at.path), *at.identity, before, wanted.owner, (), wanted.ours)
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

        def left(kept: Kept) -> Runs:
            return kept.runs if real is not None and kept.path not in real else _without(kept.runs, {run})

        self._release(left, fence)

    def settle(self, runs: Collection[int], fence: Fence) -> None:
        """Of all runs but these."""
        self._release(lambda kept: tuple(run for run in kept.runs if run in runs), fence)

    def _release(self, left: Callable[[Kept], Runs], fence: Fence) -> None:
        """``left``: the runs that go on using a file."""
        if not self._file.exists():
            return
        with self._lock:
            free = [kept for kept in self._read().values() if not left(kept)]
        for kept in free:
            with self._alone(kept.identity):
                if self._is_free(kept, left):
                    with fence.guard():
                        self._restore(kept)
        with self._lock:
            ledger = self._read()
            rest = {each.identity: msgspec.structs.replace(each, runs=left(each)) for each in ledger.values()}
            rest = {identity: each for identity, each in rest.items() if each.runs}
            try:
                self._write(rest, fence, durable=False)
            except SystemError_ as error:  # what went back is not its user's any more, and left alone later
                self._log.error("the ledger of owners cannot be written", error=str(error))

    def _is_free(self, kept: Kept, left: Callable[[Kept], Runs]) -> bool:
        """Still: nobody else has begun to use it."""
        with self._lock:
            now = self._read().get(kept.identity)
        return now is not None and not left(now)

    def _restore(self, kept: Kept) -> None:
        """Unless another file is there, or somebody else has given it away meanwhile."""
        try:
            with handle(Path(kept.path)) as at:
                if at.linkers or at.identity[1] != kept.inode or at.owner != kept.given:
                    self._log.info("a file is no longer what QEMU's user was given", path=kept.path)
                elif kept.ours:
                    disk.unlink(Path(kept.path))
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


def _without(runs: Runs, gone: Collection[int]) -> Runs:
    return tuple(run for run in runs if run not in gone)


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
