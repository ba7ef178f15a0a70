"""What comes over a guest's monitor, or does not: unheard, too much, too late, too large."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.actor import plugging
from embervirt.drivers.qemu.actor.guest import ADOPTION
from embervirt.drivers.qemu.backend.monitor import Monitor, MonitorLoop
from embervirt.drivers.qemu.errors import GuestDegraded, MonitorLost
from embervirt.drivers.qemu.messages import DeviceRemoved, Lifecycle, Query, Rebooted
from embervirt.drivers.root import sockets
from embervirt.errors import InternalError
from embervirt.testing import FakeQemu, emits, executes, huge, returns, waits
from guest.domain import linux, pid_of, small, uri, wait_until, watching
from guest.image import ensure
from guest.qmp import Client

SUSPENDED, RESUMED, STOPPED = 3, 4, 5
LATE = 0.3
"""Seconds between an event and the reply that it precedes: it has been heard by then."""

RUNNING, PAUSED = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED
TWO_MONITORS = """#!/bin/sh
exec /usr/bin/qemu-system-x86_64 "$@" -qmp "unix:$0.sock,server=on,wait=off"
"""


def guest_of(conn: libvirt.virConnect, name: str) -> Any:
    """The actor of a running guest."""
    supervisor: Any = conn.root.supervisor
    return supervisor._handles[supervisor.tree.find(("root", "guests", name))].actor


@pytest.fixture
def faked(embervirt_connection: libvirt.virConnect) -> libvirt.virDomain:
    """A running guest in a fake QEMU, called a."""
    domain = embervirt_connection.defineXML(small("a"))
    domain.create()
    return domain


def lifecycle(event: object) -> bool:
    """Of a guest."""
    return isinstance(event, Lifecycle)


def test_m04_what_changed_while_the_monitor_was_lost_is_told_once(
    embervirt_root: Path, tmp_path: Path
) -> None:
    """Paused, and later resumed, by a second monitor: each is one event, reconciled, and nothing else is."""
    emulator = tmp_path / "qemu-system-x86_64"
    emulator.write_text(TWO_MONITORS)
    emulator.chmod(0o700)
    with libvirt.open(uri(embervirt_root), settings={"qemu.emulator": str(emulator)}) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        pid, other = pid_of(embervirt_root, "a"), Client(tmp_path / f"{emulator.name}.sock").negotiate()
        ours = conn.root.paths.domain_dir(1, "a") / "monitor.sock"
        with watching(conn.root) as events:
            for times, (command, state) in enumerate([("stop", PAUSED), ("cont", RUNNING)], 1):
                holder = sockets.connect(ours)  # it is the next whom QEMU listens to
                guest_of(conn, "1-a")._link._session.shut()
                wait_until(lambda: domain.messages() != [])
                assert "return" in other.ask(command)[-1]
                assert domain.isActive() == 1
                holder.close()
                events.wait(lifecycle, count=times)
                wait_until(lambda: domain.messages() == [])
                assert domain.state()[0] == state
            told = events.fitting(lifecycle)
        assert [each.event for each in told if isinstance(each, Lifecycle)] == [SUSPENDED, RESUMED]
        assert all(isinstance(each, Lifecycle) and each.why.startswith("reconciled") for each in told)
        assert pid_of(embervirt_root, "a") == pid
        other.close()
        domain.destroy()


def test_m04_a_change_that_overtakes_an_answer_is_told_once(
    embervirt_connection: libvirt.virConnect, faked: libvirt.virDomain, fake_qemu: FakeQemu
) -> None:
    """Who finds the guest has asked already when it is paused: what it is told by then is of before that."""
    asked = len([each for each in fake_qemu.commands("a") if each == "query-status"])
    fake_qemu.on("query-status", executes(), waits(2 * ADOPTION), guest="a", times=1)  # calls go on meanwhile
    with watching(embervirt_connection.root) as events:
        embervirt_connection.root.crash(f"guests/{faked.ID()}-a")
        fake_qemu.wait_for("query-status", count=asked + 1)
        faked.suspend()
        wait_until(lambda: faked.messages() == [])
        faked.resume()
        events.wait(lifecycle, count=2)
        told = [each.event for each in events.fitting(lifecycle) if isinstance(each, Lifecycle)]
    assert told == [SUSPENDED, RESUMED]


def test_m05_a_burst_from_a_guest_delays_no_command(
    embervirt_connection: libvirt.virConnect, faked: libvirt.virDomain, fake_qemu: FakeQemu
) -> None:
    """100,000 events from its QEMU while a subscriber sleeps: commands to it and to another are prompt."""
    other = embervirt_connection.createXML(small("b"))
    took = []
    with embervirt_connection.root.subscribe():
        burst = emits("NIC_RX_FILTER_CHANGED", {"path": "/net0"}, count=100_000)  # QEMU bounds most others
        fake_qemu.now(burst, guest="a")
        for domain in (faked, other) * 10:
            began = time.monotonic()
            domain.suspend()
            domain.resume()
            took.append(time.monotonic() - began)
    assert max(took) < 5
    assert [faked.state()[0], other.state()[0]] == [RUNNING, RUNNING]
    faked.destroy()
    other.destroy()


def test_m06_an_event_of_a_qemu_that_is_gone_changes_nothing_and_is_counted(
    embervirt_connection: libvirt.virConnect, faked: libvirt.virDomain
) -> None:
    """What the session of the first run still says, when the second runs already, reaches nobody."""
    first = guest_of(embervirt_connection, "1-a")
    hear, ended = first._link.callbacks()
    faked.destroy()
    faked.create()
    wait_until(lambda: not first.thread.is_alive())
    with watching(embervirt_connection.root) as events:
        for late in ({"event": "STOP"}, {"event": "SHUTDOWN", "data": {"guest": True, "reason": "late"}}):
            hear(late)
        ended(None)
        faked.suspend()
        [only] = events.wait(lifecycle)
        assert isinstance(only, Lifecycle)
        assert (only.event, only.id) == (SUSPENDED, 2)
    assert faked.state()[0] == PAUSED
    assert first.context.fence.refused + first.inbox.dropped == 3
    faked.destroy()


RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
TABLET = "<input type='tablet' bus='virtio'/>"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("xml", "alias", "more"),
    [(TABLET, "input0", []), (RNG, "rng0", ["object-del"])],
    ids=["alone", "on more"],
)
def test_m07_a_device_that_is_gone_before_its_commands_reply_is_seen(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu, xml: str, alias: str, more: list[str]
) -> None:
    """The event alone says so, once, and what stood behind the device goes: nobody asks QEMU."""
    domain = embervirt_connection.createXML(small("a", devices=xml))
    fake_qemu.on("device_del", executes(), waits(LATE))
    before = len(fake_qemu.commands("a"))
    with watching(embervirt_connection.root) as events:
        domain.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        assert alias not in domain.XMLDesc()
        told = events.wait(lambda event: isinstance(event, DeviceRemoved))
    assert [each.alias for each in told if isinstance(each, DeviceRemoved) and not each.failed] == [alias]
    assert fake_qemu.commands("a")[before:] == ["device_del", *more]
    domain.destroy()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("xml", "alias"), [(TABLET, "input0"), (RNG, "rng0")], ids=["alone", "on more"])
def test_m07_a_device_that_is_gone_while_qemu_is_asked_for_it_is_removed_once(
    embervirt_connection: libvirt.virConnect,
    fake_qemu: FakeQemu,
    monkeypatch: pytest.MonkeyPatch,
    xml: str,
    alias: str,
) -> None:
    """The event comes when the call has waited long enough, before the answer that says the same."""
    domain = embervirt_connection.createXML(small("a", devices=xml))
    monkeypatch.setattr(plugging, "PATIENCE", LATE)
    deleted = emits("DEVICE_DELETED", {"device": alias, "path": f"/machine/peripheral/{alias}"})
    fake_qemu.on("device_del", returns({}))
    fake_qemu.on("qom-list", deleted, waits(LATE), returns([]))
    with watching(embervirt_connection.root) as events:
        domain.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        assert alias not in domain.XMLDesc()
        domain.suspend()
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == SUSPENDED)
        assert len(events.fitting(lambda event: isinstance(event, DeviceRemoved))) == 1
    domain.destroy()


@pytest.mark.usefixtures("patient")
def test_m07_a_refusal_of_the_guest_that_precedes_the_reply_is_the_calls_error(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """The device stays, and can be had out when the guest is willing."""
    domain = embervirt_connection.createXML(small("a", devices=RNG))
    refusal = emits("DEVICE_UNPLUG_GUEST_ERROR", {"device": "rng0", "path": "/machine/peripheral/rng0"})
    fake_qemu.on("device_del", refusal, waits(LATE), returns({}), times=1)
    with pytest.raises(libvirt.libvirtError, match="'rng0' was rejected by the guest"):
        domain.detachDeviceAlias("rng0", libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert "<alias name='rng0'/>" in domain.XMLDesc()
    domain.detachDeviceAlias("rng0", libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert "rng0" not in domain.XMLDesc()
    domain.destroy()


def test_m09_a_reset_is_one_reboot_and_no_stop(embervirt_root: Path) -> None:
    """Of a Linux guest by its QEMU: the same process goes on, and boots again."""
    ensure()
    with libvirt.open(uri(embervirt_root)) as conn:
        domain = conn.defineXML(linux("a"))
        domain.create()
        pid = pid_of(embervirt_root, "a")
        with watching(conn.root) as events:
            assert conn.root.call("guest/1", Query('{"execute": "system_reset"}'))
            events.wait(lambda event: isinstance(event, Rebooted))
            domain.suspend()
            events.wait(lambda event: isinstance(event, Lifecycle) and event.event == SUSPENDED)
            told = events.fitting(lambda event: isinstance(event, Lifecycle | Rebooted))
        assert [type(each).__name__ for each in told] == ["Rebooted", "Lifecycle"]
        assert (pid_of(embervirt_root, "a"), domain.state()[0]) == (pid, PAUSED)
        domain.destroy()


@pytest.fixture
def patient(embervirt_connection: libvirt.virConnect) -> Iterator[libvirt.virConnect]:
    """A connection whose guests are gone at the end."""
    yield embervirt_connection
    for domain in embervirt_connection.listAllDomains():
        domain.destroy()


def answers(conn: libvirt.virConnect, ask: Query) -> bool:
    """Whether the monitor works; between two sessions it does not, and says so."""
    try:
        return "qemu" in json.loads(conn.root.call("guest/1", ask))
    except (GuestDegraded, MonitorLost):
        return False


@pytest.mark.parametrize(("megabytes", "fits"), [(8, True), (64, False)])
def test_l15_a_large_reply_is_a_reply_or_a_typed_error(
    patient: libvirt.virConnect, faked: libvirt.virDomain, fake_qemu: FakeQemu, megabytes: int, fits: bool
) -> None:
    """8 MB arrive; 64 MB are an error of the tree; either way the guest runs and its monitor works again."""
    fake_qemu.on("query-version", huge(megabytes), times=1)
    ask = Query('{"execute": "query-version"}')
    if fits:
        assert len(json.loads(patient.root.call("guest/1", ask))) == megabytes << 20
    else:
        with pytest.raises(InternalError):
            patient.root.call("guest/1", ask)
    wait_until(lambda: answers(patient, ask))
    assert faked.isActive() == 1
    faked.suspend()
    assert faked.state()[0] == PAUSED
    assert len(fake_qemu.running("a")) == 1


def test_h06_a_reply_to_the_session_before_settles_no_call_of_this_one() -> None:
    """QEMU may send it to the next client; its id is none of those that this one uses."""
    ids: list[str] = []
    with MonitorLoop() as loop, ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            near, far = socket.socketpair()
            with far:
                played = pool.submit(play_greeting, far)
                monitor = Monitor.connect(loop, near, time.monotonic() + 20, lambda _: None, lambda _: None)
                played.result(20)
                asked = pool.submit(monitor.execute, "query-status", timeout=20)
                ids.append(json.loads(far.recv(1000))["id"])
                for id_ in ids:
                    far.send(json.dumps({"return": f"to {id_}", "id": id_}).encode() + b"\n")
                assert asked.result(20) == f"to {ids[-1]}"
                monitor.close()
    assert len(set(ids)) == 2


def play_greeting(far: socket.socket) -> None:
    """A QEMU up to the end of the negotiation."""
    far.send(b'{"QMP": {"version": {}, "capabilities": []}}\n')
    request = json.loads(far.recv(1000))
    far.send(json.dumps({"return": {}, "id": request.get("id")}).encode() + b"\n")
