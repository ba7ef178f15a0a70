"""Every actor is killed ten times while a real Linux guest counts its seconds and a program goes on calling.

25 s by default; ``FAULT_SECONDS=60`` spreads the same kills over a minute.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.supervisor.report import ChildFailed, Node
from guest.domain import Console, Events, gapless, linux, pid_of, small, uri, watching
from guest.image import READY, ensure

SECONDS = float(os.environ.get("FAULT_SECONDS", "22"))
KILLS = 10
PATIENCE = 90.0
"""Seconds for what should take one."""

GUEST = "guests/1-counter"
DRIVERS = ("secret", "storage", "network", "qemu")
ACTORS = ("events", "processes", *(f"drivers/{name}" for name in DRIVERS), GUEST)
NETWORK = "<network><name>n</name></network>"
POOL = "<pool type='dir'><name>p</name><target><path>/nowhere</path></target></pool>"


class Caller(threading.Thread):
    """Makes the same calls over and over; counts successes, typed errors by class, and anything else."""

    def __init__(self, calls: list[Callable[[], object]], stop: threading.Event) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.wrong: list[BaseException] = []
        self._calls, self._over = calls, stop

    def run(self) -> None:
        for call in itertools.cycle(self._calls):
            if self._over.wait(0.0005):
                return
            try:
                call()
                self.done["succeeded"] += 1
            except libvirt.libvirtError as error:
                self.done[type(error).__name__] += 1
                self.wrong += [error] if error.get_error_code() is None else []
            except BaseException as error:  # noqa: BLE001 - this is what is looked for
                self.wrong.append(error)


@contextmanager
def running(callers: list[Caller], over: threading.Event) -> Iterator[None]:
    """All of them, until the end of the block, however that comes."""
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        over.set()
        for caller in callers:
            caller.join(PATIENCE)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root with the guest up and counting."""
    ensure()
    with libvirt.open(uri(tmp_path)) as conn:
        domain = conn.defineXML(linux("counter"))
        domain.create()
        Console(tmp_path, "counter").until(READY)
        yield conn
        domain.destroy()


def calls(conn: libvirt.virConnect) -> list[list[Callable[[], object]]]:
    """What each thread does."""
    domain = conn.lookupByName("counter")
    secret = conn.secretDefineXML("<secret><usage type='ceph'><name>key</name></usage></secret>")
    secret.setValue(b"value")
    other = small("other")
    conn.networkDefineXML(NETWORK)
    conn.storagePoolDefineXML(POOL)

    def read_value() -> None:
        assert secret.value() == b"value"

    def pause() -> None:
        """However it ends, the guest is left running."""
        try:
            domain.suspend()
        finally:
            resume(domain)

    return [
        [domain.state, domain.info, domain.XMLDesc, conn.listAllDomains],
        [lambda: conn.defineXML(other), lambda: conn.lookupByName("other").undefine()],
        [read_value, lambda: secret.setValue(b"value"), conn.listAllSecrets],
        [pause],
        [lambda: conn.networkDefineXML(NETWORK), lambda: conn.networkLookupByName("n").undefine()],
        [lambda: conn.storagePoolDefineXML(POOL), lambda: conn.storagePoolLookupByName("p").undefine()],
    ]


def resume(domain: libvirt.virDomain) -> None:
    """Until it runs."""
    while domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        try:
            domain.resume()
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, *AGAIN):
                raise


AGAIN = (
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
)
"""The actor died meanwhile, and it is not known, or certain, whether something happened."""


def kill_all(conn: libvirt.virConnect, events: Events) -> None:
    """In turn, each as soon as the one before was replaced and its share of the time is over."""
    begun, kills = time.monotonic(), itertools.product(range(KILLS), ACTORS)
    for number, (_, actor) in enumerate(kills, 1):
        seen = len(events.fitting(is_failure))
        conn.root.crash(actor, RuntimeError("killed by a test"))
        events.wait(is_failure, count=seen + 1)
        wait_up(conn, actor)
        threading.Event().wait(max(0.0, begun + number * SECONDS / (KILLS * len(ACTORS)) - time.monotonic()))


def is_failure(event: object) -> bool:
    """An actor failed."""
    return isinstance(event, ChildFailed)


def wait_up(conn: libvirt.virConnect, actor: str) -> None:
    """Until it and all behind it are up."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while any(state != "up" for state in states(conn.root.tree()).values()):
        assert time.monotonic() < deadline, f"after {actor} was killed: {states(conn.root.tree())}"
        pause.wait(0.005)


def states(node: Node, above: str = "") -> dict[str, str]:
    """Of every node, by its path."""
    path = f"{above}/{node.id}"
    return {path: node.state} | {k: v for each in node.children for k, v in states(each, path).items()}


def test_a_guest_and_its_callers_live_through_ten_deaths_of_every_actor(
    connection: libvirt.virConnect, tmp_path: Path
) -> None:
    """No tick is missing, every call ends with a result or a typed error, nobody gives up, QEMU stays."""
    console, stop = Console(tmp_path, "counter"), threading.Event()
    pid, conn = pid_of(tmp_path, "counter"), connection
    callers = [Caller(each, stop) for each in calls(conn)]
    with watching(conn.root) as events:
        with running(callers, stop):
            kill_all(conn, events)
        assert not [caller for caller in callers if caller.is_alive()]
        resume(conn.lookupByName("counter"))
        ticks = console.tick(2)
        failures = [event for event in events.fitting(is_failure) if isinstance(event, ChildFailed)]
    assert gapless(ticks), ticks
    assert len(ticks) >= SECONDS / 4
    assert [error for caller in callers for error in caller.wrong] == []
    for caller in callers:
        assert caller.done["succeeded"] > 20 * KILLS, caller.done
    assert len(failures) == KILLS * len(ACTORS)
    assert not [report for report in failures if report.decision.startswith("give up")]
    assert events.lost == 0 and events.numbers == list(range(events.numbers[0], events.numbers[-1] + 1))
    assert pid_of(tmp_path, "counter") == pid
    assert conn.lookupByName("counter").state()[0] == libvirt.VIR_DOMAIN_RUNNING
