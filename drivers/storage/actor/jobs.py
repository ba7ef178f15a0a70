"""The jobs of one generation of the actor: threads beside it, seen in the table, written to the journal."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from embervirt import disk, world
from embervirt.actors.actor import Actor
from embervirt.drivers.root.journal import State
from embervirt.drivers.storage.backend import child
from embervirt.drivers.storage.errors import VIR_FROM_STORAGE, StorageSystemError
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.jobs import Job, UnderWay
from embervirt.drivers.storage.messages import JobEnded, JobProgress
from embervirt.drivers.storage.tables import JobRow
from embervirt.errors import OperationAborted, errors_of, libvirtError

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds that the end of a generation waits for its jobs; a step takes much less."""

LOOK = "vol-look"
INTERRUPTED = "the driver ended in the middle of it; nothing of it is left"
HALF_DONE = "the driver ended in the middle of it; it may be done, in part or as a whole"


class Jobs:
    """``begin`` starts one; what it raises, or gives, is in its future."""

    def __init__(self, actor: Actor, face: Face) -> None:
        self._actor, self._tables, self._journal = actor, face.tables, face.journal
        self._fence = actor.context.fence
        self._under_way = face.under_way
        actor.resources.callback(self._end)

    def settle(self, scratch: Path) -> None:
        """What an earlier generation, or process, left in the middle: it is gone, and on record as failed.

        ``scratch``: the folder of its programs' ends.
        """
        for each in self._journal.open():
            if each.what.startswith(("vol-", "pool-")):
                staged = each.plan.get("staged")
                if staged:
                    child.end_left(scratch, each.id)
                    with contextlib.suppress(OSError):  # its directory went: the pool's sweep looks again
                        disk.unlink(Path(staged), missing_ok=True)
                whole = staged and each.what != "vol-delete"
                self._journal.end(each.id, "failed", INTERRUPTED if whole else HALF_DONE, self._fence)
        child.sweep(scratch)

    def left(self) -> list[Path]:
        """Files that jobs which are over may have left under a staged name."""
        over = (each for each in self._journal.values() if each.state != "open")
        return [Path(each.plan["staged"]) for each in over if each.plan.get("staged")]

    def outliving(self, what: Collection[str]) -> list[UnderWay]:
        """Those of that kind which an earlier generation began, and which go on."""
        known = list(self._under_way.values())
        return [each for each in known if each.job.row.what in what and each.fence is not self._fence]

    def of(self, pool: str) -> int:
        """How many of a pool's are under way, but for looks at a volume, which hinder nobody."""
        return sum(row.pool == pool for row in self._rows())

    def has(self, pool: str, volume: str) -> bool:
        """Whether one changes that volume: of an earlier generation too, that waits for its disk."""
        return any((row.pool, row.volume) == (pool, volume) for row in self._rows())

    def _rows(self) -> list[JobRow]:
        rows = [each.job.row for each in list(self._under_way.values())]
        return [row for row in rows if row.what != LOOK]

    def begin(
        self,
        what: str,
        pool: str,
        volume: str,
        work: Callable[[Job], T],
        plan: dict[str, Any] | None = None,
        total: int = 0,
    ) -> tuple[str, Future[T]]:
        """On a thread of its own: its id and its end.

        ``plan``: what undoing it after a crash needs; None for what only looks, and is not on record.
        """
        id_ = self._actor.bus.operation(self._actor.activity.trace or self._actor.bus.new_trace())
        if plan is None:
            id_ = f"{id_}-{what}"
        else:
            self._journal.begin(id_, what, pool, {"volume": volume, **plan}, self._fence)
        row = JobRow(id_, what, pool, volume, 0, total)
        job = Job(row, lambda: self._journal.check(id_), self._tell)
        future: Future[T] = Future()
        thread = world.Thread(
            target=self._run, args=(job, work, future), name=f"embervirt-{what}", daemon=True
        )
        self._under_way[id_] = UnderWay(job, thread, self._fence)
        self._tables.jobs.put(self._fence, id_, row)
        thread.start()
        return id_, future

    def _tell(self, row: JobRow, loud: bool) -> None:
        self._tables.jobs.put(self._fence, row.id, row)
        if loud:
            with self._fence.guard():
                about = row.id, row.what, row.pool, row.volume
                self._actor.bus.publish(JobProgress(*about, row.done, row.total))

    def _run(self, job: Job, work: Callable[[Job], T], future: Future[T]) -> None:
        try:
            with errors_of(VIR_FROM_STORAGE):
                result = work(job)
        except OSError as error:
            text = f"{job.row.what}: {error.strerror or error}"
            self._over(job, future, StorageSystemError(text, int1=error.errno or -1))
        except BaseException as error:  # noqa: BLE001 - it ends the actor, as a bug of a handler does
            self._over(job, future, error)
        else:
            self._over(job, None, None)
            future.set_result(result)

    def _over(self, job: Job, future: Future[Any] | None, error: BaseException | None) -> None:
        row = job.row
        under_way = self._under_way.pop(row.id)
        job.close()
        with contextlib.suppress(libvirtError):  # a successor of ours ends what is open
            self._record(row, error)
        under_way.ended.set_result(None)
        if future is not None and error is not None:
            future.set_exception(error)

    def _record(self, row: JobRow, error: BaseException | None) -> None:
        state: State = "done" if error is None else "failed"
        if isinstance(error, OperationAborted):
            state = "undone"
        self._tables.jobs.drop(self._fence, row.id)
        self._journal.end(row.id, state, "" if error is None else str(error), self._fence)
        if self._journal.find(row.id) is None:
            return
        with self._fence.guard():
            text = "" if error is None else str(error) or type(error).__name__
            self._actor.bus.publish(JobEnded(row.id, row.what, row.pool, row.volume, text))

    def _end(self) -> None:
        """Ask all to end, and wait a little: they have files in hand."""
        left = [each for each in list(self._under_way.values()) if each.fence is self._fence]
        for each in left:
            each.job.cancel("the driver ends")
        until = world.monotonic() + PATIENCE
        for each in left:
            if each.thread is not threading.current_thread():
                each.thread.join(max(0.0, until - world.monotonic()))
