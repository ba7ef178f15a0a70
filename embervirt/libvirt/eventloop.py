"""libvirt's event loop, for programs that drive one; nothing here needs it.

Once there is one, all callbacks run on the thread that runs it: in ``virEventRunDefaultImpl``, or in a loop
of the program's own (GLib's, asyncio's) that ``virEventRegisterImpl`` made known.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from typing import Any, NamedTuple

from embervirt import world
from embervirt.errors import InvalidArgument, OperationFailed, OperationInvalid
from embervirt.libvirt.polling import READABLE, Poll
from embervirt.libvirt.reporting import told


class Implementation(NamedTuple):
    """What a loop must be able to do, as ``virEventRegisterImpl`` is told it.

    ``add_handle(descriptor, events, call, opaque)`` and ``add_timeout(milliseconds, call, opaque)`` answer a
    number; ``call`` wants that number, a descriptor and events if it has them, and ``opaque``.
    """

    add_handle: Callable[..., int]
    update_handle: Callable[[int, int], object]
    remove_handle: Callable[[int], int]
    add_timeout: Callable[..., int]
    update_timeout: Callable[[int, int], object]
    remove_timeout: Callable[[int], int]


class Loop:
    """The process's one loop, if it has one, and the callbacks that wait for it."""

    def __init__(self) -> None:
        self.implementation: Implementation | None = None
        self.default: Poll | None = None
        self._waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    @property
    def registered(self) -> bool:
        """Whether callbacks are to be ``put``."""
        return self.implementation is not None

    def use(self, implementation: Implementation) -> None:
        """From now on."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.implementation = implementation
        implementation.add_handle(self._wake, READABLE, _invoke, (self._drain, None, None))

    def use_default(self) -> None:
        """The same with libvirt's own."""
        self.default = poll = Poll()
        self.use(Implementation(*(getattr(poll, name) for name in Implementation._fields)))

    def forget(self) -> None:
        """A forked child has no part in its parent's loop."""
        self.implementation = self.default = None

    def put(self, callback: Callable[[], object]) -> None:
        """To be run by the program's loop."""
        self._waiting.put(callback)
        os.eventfd_write(self._wake, 1)

    def _drain(self, watch: int, descriptor: int, events: int, opaque: Any) -> None:
        """Those that wait now; what they bring about comes in the next round."""
        os.eventfd_read(self._wake)
        for _ in range(self._waiting.qsize()):
            self._waiting.get()()

    def needed(self) -> Implementation:
        """Raises OperationInvalid without a loop."""
        if self.implementation is None:
            text = "an event loop must be registered: virEventRegisterDefaultImpl or virEventRegisterImpl"
            raise OperationInvalid(text)
        return self.implementation


loop = Loop()
os.register_at_fork(after_in_child=loop.forget)


def hand(callback: Callable[[], object], name: str) -> None:
    """Run it on the program's loop, or, when there is none, on a thread of that name."""
    if loop.registered:
        loop.put(callback)
    else:
        world.Thread(target=_run, args=(callback,), name=name, daemon=True).start()


def _run(callback: Callable[[], object]) -> None:
    with world.programs_signals():
        callback()


def _invoke(*arguments: Any) -> None:
    """What a loop is given to call: with ``opaque`` last, or its first two items as old programs do."""
    *numbers, call, data = arguments if callable(arguments[-2]) else (*arguments[:-1], *arguments[-1][:2])
    call(*numbers, data)


def virEventRegisterDefaultImpl() -> int:
    """From now on callbacks run only inside ``virEventRunDefaultImpl``. A loop that there is stays."""
    if not loop.registered:
        loop.use_default()
    return 0


@told
def virEventRunDefaultImpl() -> int:
    """Wait for what the loop waits for, call who is concerned, return 0. Raises OperationInvalid when it is
    not the default loop that was registered: nothing would ever end that wait."""
    if loop.default is None:
        raise OperationInvalid("virEventRegisterDefaultImpl was not called, or not first")
    loop.default.run()
    return 0


def virEventRegisterImpl(
    addHandle: Callable[..., int],
    updateHandle: Callable[[int, int], object],
    removeHandle: Callable[[int], int],
    addTimeout: Callable[..., int],
    updateTimeout: Callable[[int, int], object],
    removeTimeout: Callable[[int], int],
) -> None:
    """Callbacks run in a loop of the program's own, see ``Implementation``. RuntimeError: there is one."""
    if loop.registered:
        raise RuntimeError("Event loop is already registered")
    loop.use(Implementation(addHandle, updateHandle, removeHandle, addTimeout, updateTimeout, removeTimeout))


@told
def virEventAddHandle(fd: int, events: int, cb: Callable[..., object], opaque: Any) -> int:
    """``cb(watch, fd, events, opaque)`` while ``fd`` has one of ``events``: 1 readable, 2 writable, and
    always 4 error, 8 hang-up; answers the watch.

    Raises OperationInvalid without a loop, InvalidArgument, OperationFailed.
    """
    if fd < 0 or not callable(cb):
        raise InvalidArgument(f"descriptor {fd} must not be negative and {cb!r} must be callable")
    return _number(loop.needed().add_handle(fd, events, _invoke, (cb, opaque, None)), "virEventAddHandle")


@told
def virEventAddTimeout(timeout: int, cb: Callable[..., object], opaque: Any) -> int:
    """``cb(timer, opaque)`` every ``timeout`` milliseconds, with 0 in each round of the loop, with -1 never;
    answers the timer. Raises as ``virEventAddHandle``."""
    if not callable(cb):
        raise InvalidArgument(f"{cb!r} must be callable")
    return _number(loop.needed().add_timeout(timeout, _invoke, (cb, opaque, None)), "virEventAddTimeout")


def _number(answer: int, call: str) -> int:
    if answer == -1:
        raise OperationFailed(f"{call}: the event loop said no")
    return answer


@told
def virEventUpdateHandle(watch: int, events: int) -> None:
    """Wait for these events from now on. Raises OperationInvalid without a loop."""
    loop.needed().update_handle(watch, events)


@told
def virEventUpdateTimeout(timer: int, timeout: int) -> None:
    """Every so many milliseconds from now on. Raises OperationInvalid without a loop."""
    loop.needed().update_timeout(timer, timeout)


@told
def virEventRemoveHandle(watch: int) -> int:
    """0. Raises OperationInvalid without a loop, OperationFailed for a number that it does not know."""
    return _number(loop.needed().remove_handle(watch), f"virEventRemoveHandle({watch})")


@told
def virEventRemoveTimeout(timer: int) -> int:
    """0. Raises as ``virEventRemoveHandle``."""
    return _number(loop.needed().remove_timeout(timer), f"virEventRemoveTimeout({timer})")


def virEventInvokeFreeCallback(opaque: Any) -> None:
    """A program's own loop calls it when it has removed what it was given with ``opaque``."""
    free = opaque[2]
    if free is not None:
        free(opaque[1])
