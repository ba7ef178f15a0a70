"""libvirt's event loop: descriptors, timers and callbacks, in the default loop and in a program's own."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.libvirt.eventloop import loop

READABLE, WRITABLE = libvirt.VIR_EVENT_HANDLE_READABLE, libvirt.VIR_EVENT_HANDLE_WRITABLE
Call = tuple[Any, ...]


@pytest.fixture(autouse=True)
def _no_loop_is_left() -> Iterator[None]:
    """The process has one loop for ever; of each of these tests it is another."""
    yield
    loop.forget()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its reading and its writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def calls() -> list[Call]:
    """What callbacks were given."""
    return []


def noted(calls: list[Call]) -> Callable[..., None]:
    """A callback that notes what it is given."""
    return lambda *given: calls.append(given)


def default() -> None:
    """The default loop, after the round that its own beginning costs."""
    assert libvirt.virEventRegisterDefaultImpl() == 0


def until(true: Callable[[], object]) -> None:
    """Rounds of the default loop: something that changed costs one of its own."""
    while not true():
        assert libvirt.virEventRunDefaultImpl() == 0


def test_a_descriptor_is_told_of_while_it_is_ready(pipe: tuple[int, int], calls: list[Call]) -> None:
    """Again and again, with its watch, the descriptor, what it is ready for, and the program's own."""
    default()
    watch = libvirt.virEventAddHandle(pipe[0], READABLE, noted(calls), "mine")
    os.write(pipe[1], b"x")
    until(lambda: len(calls) == 2)
    assert calls == [(watch, pipe[0], READABLE, "mine")] * 2
    os.read(pipe[0], 1)
    libvirt.virEventUpdateHandle(watch, 0)
    other = libvirt.virEventAddHandle(pipe[1], WRITABLE, noted(calls), "other")
    until(lambda: len(calls) == 3)
    assert calls[2] == (other, pipe[1], WRITABLE, "other")
    assert libvirt.virEventRemoveHandle(watch) == 0


def test_two_of_one_descriptor_hear_what_each_asked_for(pipe: tuple[int, int], calls: list[Call]) -> None:
    """Of the other's event nothing."""
    default()
    libvirt.virEventAddHandle(pipe[1], READABLE, noted(calls), "reads")
    libvirt.virEventAddHandle(pipe[1], WRITABLE, noted(calls), "writes")
    until(lambda: calls)
    assert {call[3] for call in calls} == {"writes"}


def test_a_hang_up_is_told_unasked(calls: list[Call]) -> None:
    """As poll(2) has it."""
    near, far = os.pipe()
    default()
    libvirt.virEventAddHandle(near, 0, noted(calls), None)
    os.close(far)
    until(lambda: calls)
    os.close(near)
    assert calls[0][2] == libvirt.VIR_EVENT_HANDLE_HANGUP


def test_a_timer_comes_again_until_it_is_removed(calls: list[Call]) -> None:
    """Every so many milliseconds; with -1 never, with 0 in each round."""
    default()
    timer = libvirt.virEventAddTimeout(1, noted(calls), "mine")
    never = libvirt.virEventAddTimeout(-1, noted(calls), "never")
    until(lambda: len(calls) == 3)
    libvirt.virEventUpdateTimeout(timer, -1)
    libvirt.virEventUpdateTimeout(never, 0)
    until(lambda: len(calls) == 5)
    assert calls == [(timer, "mine")] * 3 + [(never, "never")] * 2
    assert (libvirt.virEventRemoveTimeout(timer), libvirt.virEventRemoveTimeout(never)) == (0, 0)


def test_what_waits_is_woken_by_a_change(calls: list[Call]) -> None:
    """By another thread, which adds a timer."""
    default()
    until(lambda: not ready())
    threading.Thread(target=libvirt.virEventAddTimeout, args=(0, noted(calls), "late")).start()
    until(lambda: calls)
    assert calls[0][1] == "late"


def ready() -> bool:
    """Whether a round of the default loop would not wait."""
    assert loop.default is not None
    return bool(select.select([loop.default._wake], [], [], 0)[0])


def test_a_callback_may_remove_itself_and_others(pipe: tuple[int, int], calls: list[Call]) -> None:
    """Who was removed in a round is not called in it any more."""
    default()
    os.write(pipe[1], b"x")
    watches: list[int] = []

    def remove(*given: Any) -> None:
        calls.append(given)
        for each in watches:
            libvirt.virEventRemoveHandle(each)

    watches += [libvirt.virEventAddHandle(pipe[0], READABLE, remove, n) for n in range(2)]
    rounds: list[Call] = []
    libvirt.virEventAddTimeout(0, noted(rounds), None)
    until(lambda: len(rounds) > 3)
    assert [call[3] for call in calls] == [0]


def test_a_callback_that_raises_ends_nothing(calls: list[Call]) -> None:
    """The others of the round are called, and it is called again."""
    default()

    def fail(*given: Any) -> None:
        calls.append(given)
        raise KeyError("mine")

    libvirt.virEventAddTimeout(0, fail, "fails")
    libvirt.virEventAddTimeout(0, noted(calls), "works")
    until(lambda: len(calls) >= 4)
    assert [call[1] for call in calls[:4]] == ["fails", "works"] * 2


def test_callbacks_run_in_the_order_in_which_they_came(calls: list[Call]) -> None:
    """On the thread that runs the loop."""
    default()
    for number in range(3):
        loop.put(lambda number=number: calls.append((number, threading.get_ident())))  # type: ignore[misc]
    assert calls == []
    until(lambda: len(calls) == 3)
    assert calls == [(number, threading.get_ident()) for number in range(3)]


def test_a_second_default_loop_is_the_first() -> None:
    """As with libvirt; a loop of the program's own comes too late then."""
    default()
    first = loop.default
    default()
    assert loop.default is first
    with pytest.raises(RuntimeError, match="already registered"):
        Own().register()


def test_without_a_loop_its_calls_are_refused() -> None:
    """Where libvirt waits for ever or says only that it failed."""
    for call in (
        libvirt.virEventRunDefaultImpl,
        lambda: libvirt.virEventAddHandle(0, READABLE, print, None),
        lambda: libvirt.virEventAddTimeout(0, print, None),
        lambda: libvirt.virEventUpdateHandle(1, READABLE),
        lambda: libvirt.virEventRemoveTimeout(1),
    ):
        with pytest.raises(libvirt.libvirtError, match="virEventRegisterDefaultImpl") as refused:
            call()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID


def test_what_the_loop_does_not_know_is_refused() -> None:
    """A number that was never given, a descriptor below 0, a callback that is none."""
    default()
    for unknown in (libvirt.virEventRemoveHandle, libvirt.virEventRemoveTimeout):
        with pytest.raises(libvirt.libvirtError, match=rf"{unknown.__name__}\(99\)"):
            unknown(99)
    with pytest.raises(libvirt.libvirtError, match="descriptor -1 must not be negative"):
        libvirt.virEventAddHandle(-1, READABLE, print, None)
    with pytest.raises(libvirt.libvirtError, match="5 must be callable"):
        libvirt.virEventAddTimeout(1, 5, None)  # type: ignore[arg-type]


class Own:
    """A loop of a program's own, which runs when it is told to."""

    def __init__(self) -> None:
        self.handles: dict[int, Call] = {}
        self.told: list[Call] = []

    def register(self) -> None:
        """As GLib's and asyncio's bindings do."""
        told = noted(self.told)
        libvirt.virEventRegisterImpl(
            self.add_handle, told, lambda watch: -1, lambda *given: told(*given) or 9, told, lambda timer: 0
        )

    def add_handle(self, descriptor: int, events: int, call: Callable[..., None], opaque: Any) -> int:
        """Numbers from 1."""
        self.handles[len(self.handles) + 1] = (descriptor, events, call, opaque)
        return len(self.handles)

    def run(self, *, old: bool = False) -> None:
        """One round; ``old``: as programs did that took ``opaque`` apart."""
        for watch, (descriptor, events, call, opaque) in list(self.handles.items()):
            if select.select([descriptor], [], [], 0)[0]:
                call(watch, descriptor, events, *(opaque[:2] if old else (opaque,)))


@pytest.mark.parametrize("old", [False, True])
def test_callbacks_run_in_a_programs_own_loop(old: bool, calls: list[Call], pipe: tuple[int, int]) -> None:
    """And what is added by hand too, however the loop hands back what it was given."""
    own = Own()
    own.register()
    loop.put(lambda: calls.append(("put",)))
    watch = libvirt.virEventAddHandle(pipe[0], READABLE, noted(calls), "mine")
    own.run(old=old)
    assert calls == [("put",)]
    os.write(pipe[1], b"x")
    own.run(old=old)
    assert calls[1:] == [(watch, pipe[0], READABLE, "mine")]


def test_a_programs_own_loop_is_told_of_changes() -> None:
    """With what the call was given; what it refuses is an error."""
    own = Own()
    own.register()
    assert libvirt.virEventAddTimeout(5, print, "mine") == 9
    libvirt.virEventUpdateTimeout(9, 7)
    libvirt.virEventUpdateHandle(3, WRITABLE)
    assert own.told[0][0] == 5 and own.told[1:] == [(9, 7), (3, WRITABLE)]
    assert libvirt.virEventRemoveTimeout(9) == 0
    with pytest.raises(libvirt.libvirtError, match=r"virEventRemoveHandle\(3\): the event loop said no"):
        libvirt.virEventRemoveHandle(3)


def test_what_a_loop_was_given_can_be_freed(calls: list[Call]) -> None:
    """By the third of it, if it has one."""
    libvirt.virEventInvokeFreeCallback((print, "data", None))
    libvirt.virEventInvokeFreeCallback((print, "data", noted(calls)))
    assert calls == [("data",)]
