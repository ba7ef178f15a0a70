"""The fence of a generation, and what its successors wait for."""

from __future__ import annotations

from embervirt.actors.fence import Fence


def test_g04_a_commit_that_hangs_keeps_every_later_generation_waiting() -> None:
    """The third generation waits for the write of the first, although the second has none in hand."""
    first = Fence("a", 1)
    second = Fence("a", 2, first)
    third = Fence("a", 3, second)
    with first.guard():
        assert not second.settled(0.0)
        assert not third.settled(0.0)
    assert third.settled(0.0)
