"""Signals as descriptors."""

from __future__ import annotations

import os
import select
import signal

from embervirt.cli.signals import Signals


def test_signals_are_waited_for_and_taken_in_order() -> None:
    """Each signal makes the descriptor readable; the numbers come out once, in order."""
    with Signals() as signals:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert select.select([signals], [], [], 5)[0]
        assert signals.take() == [15, 2, 2, 1]
        assert not select.select([signals], [], [], 0)[0]


def test_the_handlers_of_before_are_back_afterwards() -> None:
    """Ctrl-C raises KeyboardInterrupt again after the ``with``."""
    before = signal.getsignal(signal.SIGINT)
    with Signals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
