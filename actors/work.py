"""Handlers that wait without blocking their actor: generators that yield futures.

``value = yield future`` goes on, on the actor's thread, when the future is done; meanwhile the actor handles
other messages. What the future raises is raised there.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from embervirt.errors import OperationAborted

R = TypeVar("R")
Work = Generator[Future[Any], Any, R]


def step(work: Work[Any], done: Future[Any] | None = None) -> Future[Any]:
    """Begin, or go on after ``done``: the future it waits for next.

    Raises StopIteration with its result at its end, and whatever it raises.
    """
    if done is None:
        return next(work)
    try:
        value = done.result()
    except CancelledError:
        return work.throw(OperationAborted("the operation was cancelled"))
    except BaseException as error:  # noqa: BLE001 - it is the work's to handle
        return work.throw(error)
    return work.send(value)


def awaited(future: Future[R]) -> Work[R]:
    """A future as work."""
    result: R = yield future
    return result
