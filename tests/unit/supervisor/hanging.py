"""Actors that hang where a test wants it, and ways to see what becomes of that."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.messages import Message, Request
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.spec import ChildSpec
from embervirt.supervisor.watch import Limits
from unit.actors.harness import PATIENCE
from unit.supervisor.real import Root
from unit.supervisor.world import AT_ONCE

QUICK = Limits(operation=0.1, grace=0.05, every=0.01, cap=5.0, zombies=3)


class Do(Request[str], frozen=True):
    """Answered with what the test's function for the generation returns."""


class Brief(Request[str], frozen=True):
    """The same, but it may take no longer than this."""

    limit = 0.02


class Doer(Actor):
    """Does ``deeds[generation]``, and what comes after the list says nothing special."""

    def __init__(self, context: Context, deeds: list[Callable[[Any], str]]) -> None:
        super().__init__(context)
        self.deeds = deeds

    @handles(Do, Brief)
    def do(self, _: Message) -> str:
        """What the test wants."""
        at = self.context.generation - 1
        return self.deeds[at](self) if at < len(self.deeds) else "well"


def doer(root: Root, id_: str, *deeds: Callable[[Any], str], **spec: Any) -> ChildSpec:
    """A child called ``id_``: one deed for each generation."""
    made = lambda context: Doer(context, list(deeds))  # noqa: E731 - it is the maker
    return actor_child(id_, made, root.bus, **{"backoff": AT_ONCE, **spec})


class Gate:
    """Where an actor blocks; ``opened`` ends it, and the test's end too."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: Any = None) -> str:
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        return "late"


def told(root: Root, kind: type[Any]) -> list[Any]:
    """Events of a class that were published."""
    return [event for _, event in root.bus.outbox if isinstance(event, kind)]


def until(what: Callable[[], Any]) -> Any:
    """Its value once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (value := what()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)
    return value


@contextmanager
def quick_disk() -> Iterator[None]:
    """One on which no sync takes as long as a limit here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


def no_zombies(root: Root) -> bool:
    """All threads that were given up have ended."""
    return not root.supervisor.health().zombies
