"""Threads of ours in a program that has signals of its own to wait for."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from embervirt import world

PROGRAMS = {signal.SIGUSR1, signal.SIGTERM}
OURS = signal.valid_signals() - world.FAULTS - {signal.SIGKILL, signal.SIGSTOP}


def mask() -> set[int]:
    """The calling thread's."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.fixture(autouse=True)
def _program() -> Iterator[None]:
    """Has blocked some signals, and nothing changes that."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, PROGRAMS)
    yield
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == PROGRAMS


def test_n03_a_thread_of_ours_takes_no_signal_but_its_own_faults() -> None:
    """From its first instruction on; who starts it keeps the mask it had."""
    seen: list[set[int]] = []
    thread = world.Thread(target=lambda: seen.append(mask()))
    thread.start()
    assert mask() == PROGRAMS
    thread.join()
    assert seen == [OURS]


def test_n03_a_callback_has_the_mask_of_the_program() -> None:
    """On a thread that another of ours started, too; behind it the thread is as before."""
    seen: list[set[int]] = []

    def inner() -> None:
        with world.programs_signals():
            seen.append(mask())
        seen.append(mask())

    def outer() -> None:
        second = world.Thread(target=inner)
        second.start()
        second.join()

    first = world.Thread(target=outer)
    first.start()
    first.join()
    assert seen == [PROGRAMS, OURS]


def test_n03_a_callback_in_the_programs_own_thread_changes_nothing() -> None:
    """It is called by the program's event loop, say."""
    with world.programs_signals():
        assert mask() == PROGRAMS
