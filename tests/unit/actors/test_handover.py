"""Objects that must not travel in messages."""

from __future__ import annotations

import threading

import pytest

from embervirt import world
from embervirt.actors.handover import Handover, Token
from embervirt.errors import InternalError

SECRET = b"correct horse battery staple"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Virtual time: change its only element."""
    clock = [100.0]
    monkeypatch.setattr(world, "monotonic", lambda: clock[0])
    return clock


def test_an_object_is_handed_over_once() -> None:
    """The same object, by its token; then it is gone."""
    handover = Handover()
    token = handover.put(SECRET, world.monotonic() + 60)
    assert handover.take(token) is SECRET
    with pytest.raises(InternalError, match="was taken already or its deadline passed"):
        handover.take(token)
    assert len(handover) == 0


def test_a_token_says_nothing(now: list[float]) -> None:
    """Two of one value differ; neither holds any of it; nor does the error for a wrong one."""
    handover = Handover()
    tokens = {handover.put(SECRET, now[0] + 1) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 32 and set(token) <= set("0123456789abcdef") for token in tokens)
    with pytest.raises(InternalError) as caught:
        handover.take(Token("f" * 32))
    assert "horse" not in f"{caught.value!r}{handover!r}"


def test_it_is_freed_at_its_deadline(now: list[float]) -> None:
    """Nobody took it: it is not to be had later, and the next use of the table drops it."""
    handover = Handover()
    token = handover.put(SECRET, now[0] + 5)
    now[0] += 5.0
    kept = handover.put(b"", now[0] + 1)
    assert len(handover) == 2
    now[0] += 0.001
    with pytest.raises(InternalError):
        handover.take(token)
    assert len(handover) == 1
    assert handover.take(kept) == b""


def test_clear_drops_everything(now: list[float]) -> None:
    """At the end of the root."""
    handover = Handover()
    token = handover.put(SECRET, now[0] + 5)
    handover.clear()
    assert len(handover) == 0
    with pytest.raises(InternalError):
        handover.take(token)


def test_many_threads_take_each_once() -> None:
    """Of two that have the same token one gets the object."""
    handover = Handover()
    tokens = [handover.put(n, world.monotonic() + 60) for n in range(200)]
    taken: list[int] = []

    def take() -> None:
        for token in tokens:
            try:
                taken.append(handover.take(token))
            except InternalError:
                continue

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(200))
