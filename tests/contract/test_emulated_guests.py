"""A guest lives in the fake QEMU as it does in the real one, as far as a user of embervirt can see."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.testing import FakeQemu
from guest.domain import Events, pid_of, small, uri, wait_until, watching

DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN = range(7)
RUNNING, PAUSED, SHUTOFF = 1, 3, 5
Open = Callable[[], libvirt.virConnect]


@pytest.fixture(params=["real", "fake"])
def opened(request: pytest.FixtureRequest, embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[Open]:
    """Opens the root; its guests run in one of the two."""
    settings = {"qemu.emulator": str(fake_qemu.emulator)} if request.param == "fake" else {}
    with ExitStack() as connections:
        yield lambda: connections.enter_context(libvirt.open(uri(embervirt_root), settings=settings))


def told(events: Events, count: int) -> list[tuple[int, int]]:
    """The lifecycle events, when there are ``count``: each with its detail."""
    found = events.wait(lambda event: isinstance(event, Lifecycle), count=count)
    return [(each.event, each.detail) for each in found if isinstance(each, Lifecycle)]


def test_a_whole_life(opened: Open) -> None:
    """States with their reasons, and the events that tell of them."""
    conn = opened()
    with watching(conn.root) as events:
        domain = conn.defineXML(small("a"))
        states = [domain.state()]
        for step in (domain.create, domain.suspend, domain.resume, domain.destroy):
            step()
            states.append(domain.state())
        domain.undefine()
        assert states == [[SHUTOFF, 0], [RUNNING, 1], [PAUSED, 1], [RUNNING, 5], [SHUTOFF, 2]]
        assert told(events, 6) == [
            *((DEFINED, 0), (STARTED, 0), (SUSPENDED, 0), (RESUMED, 0), (STOPPED, 1), (UNDEFINED, 0))
        ]


def test_a_start_paused(opened: Open) -> None:
    """A transient guest that starts paused runs when it is resumed, and is gone when it is destroyed."""
    conn = opened()
    with watching(conn.root) as events:
        domain = conn.createXML(small("a"), libvirt.VIR_DOMAIN_START_PAUSED)
        assert domain.state() == [PAUSED, 1]
        domain.resume()
        assert domain.state() == [RUNNING, 5]
        domain.destroy()
        assert conn.listAllDomains() == []
        assert told(events, 4) == [(STARTED, 0), (SUSPENDED, 0), (RESUMED, 0), (STOPPED, 1)]


@pytest.mark.parametrize("paused", [False, True])
def test_an_adoption(opened: Open, embervirt_root: Path, paused: bool) -> None:
    """The guest outlives the close, is the same process in the same state, and obeys the next owner."""
    with opened() as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        if paused:
            domain.suspend()
        pid = pid_of(embervirt_root, "a")
    conn = opened()
    domain = conn.lookupByName("a")
    assert domain.state()[0] == (PAUSED if paused else RUNNING)
    assert pid_of(embervirt_root, "a") == pid
    if paused:
        domain.resume()
    domain.suspend()
    domain.destroy()
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]


@pytest.mark.parametrize(
    ("number", "reason", "events"),
    [
        (signal.SIGKILL, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, [(STOPPED, 5)]),
        (signal.SIGTERM, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, [(SHUTDOWN, 2), (STOPPED, 0)]),
    ],
)
def test_an_end_from_outside(
    opened: Open, embervirt_root: Path, number: int, reason: int, events: list[tuple[int, int]]
) -> None:
    """It is seen, by its kind; the next start works."""
    conn = opened()
    with watching(conn.root) as seen:
        domain = conn.defineXML(small("a"))
        domain.create()
        before = told(seen, 2)
        os.kill(pid_of(embervirt_root, "a"), number)
        assert told(seen, 2 + len(events)) == before + events
        wait_until(lambda: domain.state() == [SHUTOFF, reason])
    domain.create()
    assert domain.state() == [RUNNING, 1]
    domain.destroy()
