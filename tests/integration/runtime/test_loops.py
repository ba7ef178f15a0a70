"""Who is called where: in a program's event loop, and when a root fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.libvirt.eventloop import loop
from guest.domain import SECONDS, small, uri

DEFINED = (libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_ADDED)


@pytest.fixture
def looping() -> Iterator[None]:
    """The default loop, of this test only."""
    libvirt.virEventRegisterDefaultImpl()
    yield
    loop.forget()


@pytest.mark.usefixtures("looping")
def test_events_come_in_the_programs_loop(tmp_path: Path) -> None:
    """On the thread that runs it and on no other, in their order."""
    calls: list[tuple[Any, ...]] = []
    with libvirt.open(uri(tmp_path / "root")) as conn:
        conn.domainEventRegister(lambda *given: calls.append((*given, threading.get_ident())), "mine")
        domains = [conn.defineXML(small(name)) for name in "abc"]
        while len(calls) < 3:
            libvirt.virEventRunDefaultImpl()
    assert [(call[1].name(), call[2:4]) for call in calls] == [(each.name(), DEFINED) for each in domains]
    assert {call[4:] for call in calls} == {("mine", threading.get_ident())}


def fail(conn: libvirt.virConnect) -> None:
    """Its root ends: an actor crashes more often than it may."""
    failed = threading.Event()
    conn.root.on_failed.append(lambda why: failed.set())
    while not failed.wait(0.01):
        conn.root.crash("drivers/secret")


@pytest.mark.parametrize("looped", [False, True])
def test_a_connection_that_is_lost_says_so(tmp_path: Path, looped: bool, request: Any) -> None:
    """Once, with reason ERROR, on the program's loop if it has one; an earlier callback counts no more."""
    if looped:
        request.getfixturevalue("looping")
    told: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    settings = {"supervision.driver_intensity": 1}
    conn = libvirt.open(uri(tmp_path / "root", "secret"), settings=settings)
    assert conn.registerCloseCallback(lambda *given: told.put(("first", *given)), None) == 0
    assert conn.registerCloseCallback(lambda *given: told.put(given), "mine") == 0
    fail(conn)
    while looped and told.empty():
        libvirt.virEventRunDefaultImpl()
    assert told.get(timeout=SECONDS) == (conn, libvirt.VIR_CONNECT_CLOSE_REASON_ERROR, "mine")
    assert told.empty() and conn.isAlive() == 0
    conn.close()


def test_a_connection_that_is_closed_tells_nobody(tmp_path: Path) -> None:
    """Nor does one whose callback was taken back, nor one that never had any."""
    told: list[object] = []
    settings = {"supervision.driver_intensity": 1}
    closed, silent, open_ = (
        libvirt.open(uri(tmp_path / "root", "secret"), settings=settings) for _ in range(3)
    )
    for conn in (closed, silent):
        conn.registerCloseCallback(lambda *given: told.append(given), None)
    closed.close()
    silent.unregisterCloseCallback()
    silent.unregisterCloseCallback()
    with pytest.raises(libvirt.libvirtError, match="must be callable"):
        open_.registerCloseCallback(5, None)  # type: ignore[arg-type]
    fail(open_)
    assert told == [] and not [each for each in threading.enumerate() if each.name == "embervirt-closed"]
    for conn in (silent, open_):
        conn.close()


def test_nobody_keeps_a_connection_within_the_process_alive(tmp_path: Path) -> None:
    """As libvirt says of such connections: not supported."""
    with libvirt.open(uri(tmp_path / "root", "secret")) as conn:
        with pytest.raises(libvirt.libvirtError, match="virConnectSetKeepAlive") as refused:
            conn.setKeepAlive(5, 3)
        assert refused.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
