"""Tables that any thread reads, and the fence that keeps given-up generations out."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.table import Table


def test_a_record_is_read_as_it_was_published() -> None:
    """Or None; all of them at one moment."""
    table: Table[str, int] = Table()
    fence = Fence("a", 1)
    table.put(fence, "x", 1)
    table.put(fence, "y", 2)
    assert (table.get("x"), table.get("z"), table.values()) == (1, None, [1, 2])
    table.drop(fence, "x")
    table.drop(fence, "x")
    assert table.values() == [2]
    table.replace(fence, {"n": 3})
    assert (table.values(), table.get("y")) == ([3], None)


@pytest.mark.parametrize("write", ["put", "drop", "replace"])
def test_a_given_up_generation_writes_nothing(write: str) -> None:
    """Readers see the successor's content, whatever the zombie tries."""
    table: Table[str, int] = Table()
    old, new = Fence("a", 1), Fence("a", 2)
    table.put(old, "x", 1)
    old.close()
    table.put(new, "x", 2)
    arguments: tuple[Any, ...] = {"put": ("x", 1), "drop": ("x",), "replace": ({},)}[write]
    with pytest.raises(Fenced, match="generation 1 of a was given up"):
        getattr(table, write)(old, *arguments)
    assert table.get("x") == 2


def test_a_fence_closes_before_or_after_a_commit_never_within() -> None:
    """G04: who closes it waits for the step in hand; then nothing more happens in its name."""
    fence, inside, done = Fence("a", 1), threading.Event(), threading.Event()
    steps: list[str] = []

    def close() -> None:
        inside.wait(20)
        fence.close()
        steps.append("closed")
        done.set()

    closer = threading.Thread(target=close)
    closer.start()
    with fence.guard():
        inside.set()
        assert not done.wait(0.02)
        steps.append("committed")
    closer.join()
    assert steps == ["committed", "closed"]
    for refused in (fence.check, fence.guard().__enter__):
        with pytest.raises(Fenced):
            refused()


def test_a_failed_commit_leaves_the_fence_open() -> None:
    """The lock is free again."""
    fence = Fence("a", 1)
    with pytest.raises(OSError, match="full"), fence.guard():
        raise OSError("full")
    with fence.guard():
        pass


def test_readers_never_see_half_a_write() -> None:
    """A whole replacement is there or not."""
    table: Table[int, int] = Table()
    fence, over = Fence("a", 1), threading.Event()
    table.replace(fence, dict.fromkeys(range(50), 0))
    wrong: list[list[int]] = []

    def read() -> None:
        while not over.is_set():
            values = table.values()
            if len(values) != 50 or len(set(values)) != 1:
                wrong.append(values)

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(300):
        table.replace(fence, dict.fromkeys(range(50), n))
    over.set()
    reader.join()
    assert wrong == []
