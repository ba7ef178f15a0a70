"""What a program does with a guest that runs: console, screen, keys, monitor, numbers."""

from __future__ import annotations

import json
import queue
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import libvirt_qemu
from embervirt.drivers.qemu.messages import Lifecycle, Rebooted
from guest.calls import code_of
from guest.domain import SECONDS, Console, linux, small, wait_until, watching

SCREEN = "<video><model type='vga'/></video><graphics type='vnc' autoport='yes'/>"


@pytest.fixture
def idle(conn: libvirt.virConnect) -> Iterator[libvirt.virDomain]:
    """A guest in its firmware, with a console."""
    domain = conn.createXML(small("a", devices="<serial type='pty'/><console type='pty'/>"))
    yield domain
    domain.destroy()


def test_a_program_talks_to_linux_and_reboots_it(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """It types a command on the console's stream and reads the answer; a reboot by button boots it again."""
    domain = conn.createXML(linux("a"))
    console = Console(tmp_path / "root", "a")
    console.until("EMBERVIRT-GUEST READY")
    stream = conn.newStream()
    assert domain.openConsole(None, stream) == 0
    assert stream.send(b"\necho $((6*7))-$((6*8))\n") > 0  # ``shell.typed`` says why it is two lines
    heard = b""
    while b"42-48" not in heard:
        got = stream.recv(1000)
        assert isinstance(got, bytes) and got
        heard += got
    other = conn.newStream()
    with pytest.raises(libvirt.libvirtError, match="Active console session exists for this domain"):
        domain.openConsole("serial0", other)
    assert domain.openConsole("serial0", other, libvirt.VIR_DOMAIN_CONSOLE_FORCE) == 0
    with pytest.raises(libvirt.libvirtError, match="stream is not open"):
        stream.recv(1)
    other.finish()
    booted = len(console.text())
    with watching(conn.root) as events:
        domain.reboot()
        events.wait(lambda event: isinstance(event, Rebooted))
        console.until("EMBERVIRT-GUEST READY", after=booted)
        assert domain.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
        domain.shutdown()
        ended = events.wait(lambda event: isinstance(event, Lifecycle), count=2)
        assert [each.event for each in ended if isinstance(each, Lifecycle)] == [6, 5]
    assert console.text().count("EMBERVIRT-GUEST READY") == 2


def test_the_console_of_a_guest_that_ends_comes_to_its_end(conn: libvirt.virConnect) -> None:
    """Who waits for a byte gets the end instead."""
    domain = conn.createXML(small("a", devices="<serial type='pty'/><console type='pty'/>"))
    stream = conn.newStream()
    domain.openConsole("serial0", stream)
    domain.destroy()
    while got := stream.recv(1000):
        assert isinstance(got, bytes)
    assert (got, stream.finish()) == (b"", 0)


@pytest.mark.parametrize("device", ["nope", "charserial0", "serial1"])
def test_a_console_that_is_not_there_is_refused(
    conn: libvirt.virConnect, idle: libvirt.virDomain, device: str
) -> None:
    """In libvirt's words."""
    with pytest.raises(libvirt.libvirtError, match=f"cannot find character device {device}") as refused:
        idle.openConsole(device, conn.newStream())
    assert refused.value.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
    with pytest.raises(libvirt.libvirtError, match="cannot find channel <null>"):
        idle.openChannel(None, conn.newStream())


def test_a_picture_of_the_screen_is_a_stream(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A PNG, whose file has no name by then; a screen that there is not is refused."""
    domain = conn.createXML(small("a", devices=SCREEN))
    stream = conn.newStream()
    assert domain.screenshot(stream, 0) == "image/png"
    picture: list[bytes] = []
    stream.recvAll(lambda _, data, sink: sink.append(data), picture)
    assert b"".join(picture).startswith(b"\x89PNG\r\n\x1a\n")
    stream.finish()
    assert not list((tmp_path / "root/lib/qemu").rglob("*screendump*"))
    with pytest.raises(libvirt.libvirtError, match="no such screen ID"):
        domain.screenshot(conn.newStream(), 5)
    domain.destroy()


def test_a_guest_without_a_screen_has_no_picture(conn: libvirt.virConnect, idle: libvirt.virDomain) -> None:
    """In libvirt's words."""
    with pytest.raises(libvirt.libvirtError, match="no screens to take screenshot from") as refused:
        idle.screenshot(conn.newStream(), 0)
    assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID


def test_the_monitor_answers_as_it_does_through_libvirt(idle: libvirt.virDomain) -> None:
    """QEMU's whole reply, a refusal too; lines for the human monitor print text."""

    def ask(command: str) -> Any:
        return json.loads(libvirt_qemu.qemuMonitorCommand(idle, command, 0))

    status = ask('{"execute":"query-status"}')
    assert status["return"]["status"] == "running" and re.fullmatch(r"libvirt-\d+", status["id"])
    refused = ask('{"execute":"nonesuch"}')["error"]
    assert refused == {"class": "CommandNotFound", "desc": "The command nonesuch has not been found"}
    unknown = ask('{"foo":"bar"}')
    desc = "QMP input member 'foo' is unexpected"
    assert unknown == {"error": {"class": "GenericError", "desc": desc}}
    with pytest.raises(libvirt.libvirtError, match="cannot parse json query-status"):
        ask("query-status")
    with pytest.raises(libvirt.libvirtError, match="Unable to append command 'id' string"):
        ask('{"execute":"query-status","id":"x"}')
    human = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
    printed = libvirt_qemu.qemuMonitorCommand(idle, "info status", human)
    assert printed == "VM status: running\r\n"


def test_events_of_the_monitor_are_told_while_somebody_listens(
    conn: libvirt.virConnect, idle: libvirt.virDomain
) -> None:
    """By name, by pattern, in any case; nothing after the callback is removed, nothing without one."""
    heard: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def told(_: Any, domain: libvirt.virDomain, event: str, *rest: Any) -> None:
        heard.put((domain.name(), event, rest[2], rest[3]))

    register = libvirt_qemu.qemuMonitorEventRegister
    named = register(conn, idle, "STOP", told, "named")
    alike = register(conn, None, "^s.op$", told, "alike", 3)
    idle.suspend()
    assert {heard.get(timeout=SECONDS) for _ in range(2)} == {
        ("a", "STOP", None, "named"),
        ("a", "STOP", None, "alike"),
    }
    libvirt_qemu.qemuMonitorEventDeregister(conn, named)
    libvirt_qemu.qemuMonitorEventDeregister(conn, alike)
    assert code_of(lambda: libvirt_qemu.qemuMonitorEventDeregister(conn, named)) == 8
    assert code_of(lambda: register(conn, None, "(", told, None, 1)) == libvirt.VIR_ERR_INVALID_ARG
    idle.resume()
    idle.suspend()
    assert heard.empty()


def test_keys_and_interrupts_reach_qemu(idle: libvirt.virDomain) -> None:
    """And what is no key is refused before."""
    assert idle.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, 10, [29, 56, 111], 3) == 0
    assert idle.injectNMI() == 0
    assert code_of(lambda: idle.sendKey(0, 0, [999], 1)) == libvirt.VIR_ERR_INTERNAL_ERROR
    assert code_of(lambda: idle.pMWakeup()) == libvirt.VIR_ERR_INTERNAL_ERROR
    assert code_of(lambda: idle.sendProcessSignal(1, 9)) == libvirt.VIR_ERR_NO_SUPPORT


def test_without_an_agent_the_button_is_left(idle: libvirt.virDomain) -> None:
    """Who insists on the agent is told that there is none, as libvirt tells it."""
    text = "argument unsupported: QEMU guest agent is not configured"
    for call in (
        lambda: idle.shutdownFlags(2),
        lambda: idle.reboot(2),
        idle.getTime,
        lambda: idle.pMSuspendForDuration(0, 0),
        lambda: libvirt_qemu.qemuAgentCommand(idle, '{"execute":"guest-ping"}', -1, 0),
    ):
        with pytest.raises(libvirt.libvirtError, match=text) as refused:
            call()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED
    assert idle.reboot(3) == 0
    assert code_of(lambda: idle.shutdownFlags(4)) == libvirt.VIR_ERR_INVALID_ARG


def test_a_panic_of_a_real_guest_leaves_an_image(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """QEMU writes it through the descriptor that it was given: an ELF core of the whole memory."""
    domain = conn.createXML(
        small("a", devices="<panic model='isa'/>", more="<on_crash>coredump-destroy</on_crash>")
    )
    with watching(conn.root) as events:
        libvirt_qemu.qemuMonitorCommand(domain, "o /b 0x505 1", 1)
        told = events.wait(lambda event: isinstance(event, Lifecycle), count=3)
        seen = [(each.event, each.detail) for each in told if isinstance(each, Lifecycle)]
        assert seen == [(3, 0), (8, 0), (5, 2)]
    [dump] = (tmp_path / "root/lib/qemu/dump").iterdir()
    with dump.open("rb") as image:
        assert image.read(4) == b"\x7fELF"
    assert dump.stat().st_size >= 32 * 2**20


STATE = {"state.state": 1, "state.reason": 1}
ALL = {
    *STATE,
    *("cpu.time", "cpu.user", "cpu.system", "cpu.cache.monitor.count"),
    *("cpu.haltpoll.success.time", "cpu.haltpoll.fail.time"),
    *("balloon.current", "balloon.maximum", "balloon.last-update", "balloon.rss"),
    *("vcpu.current", "vcpu.maximum", "vcpu.0.state", "vcpu.0.time", "vcpu.0.wait", "vcpu.0.delay"),
    *("net.count", "block.count"),
    *(f"block.0.{name}" for name in ("name", "path", "backingIndex", "allocation", "capacity", "physical")),
    *(f"block.0.{name}" for name in ("rd.reqs", "rd.bytes", "rd.times", "wr.reqs", "wr.bytes", "wr.times")),
    *("block.0.fl.reqs", "block.0.fl.times"),
    *("dirtyrate.calc_status", "dirtyrate.calc_start_time", "dirtyrate.calc_period", "dirtyrate.calc_mode"),
}
"""What libvirt 9 gives for a guest with a disk and a user network, but for what its balloon tells."""


def test_numbers_of_all_guests_have_libvirts_names(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """All groups, or those that are asked for; of what is not known, an error if that is wanted."""
    disk = tmp_path / "a.img"
    disk.write_bytes(b"\0" * 2**20)
    devices = f"""<disk type='file'><driver name='qemu' type='raw'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/></disk><interface type='user'/><memballoon model='virtio'/>"""
    domain = conn.createXML(small("a", devices=devices))
    [(told, numbers)] = conn.getAllDomainStats()
    assert told.name() == "a" and set(numbers) == ALL
    assert (numbers["block.0.name"], numbers["block.0.path"]) == ("vda", str(disk))
    assert (numbers["block.0.capacity"], numbers["block.count"], numbers["net.count"]) == (2**20, 1, 1)
    assert (numbers["balloon.current"], numbers["vcpu.maximum"]) == (32 * 1024, 1)
    assert int(numbers["cpu.time"]) > 0
    assert conn.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_STATE)[0][1] == STATE
    assert conn.getAllDomainStats(1, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE) == []
    enforce = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS
    assert code_of(lambda: conn.getAllDomainStats(1 << 20, enforce)) == libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED
    assert conn.getAllDomainStats(1 << 20)[0][1] == {}
    assert code_of(lambda: conn.domainListGetStats([])) == libvirt.VIR_ERR_INVALID_ARG
    domain.destroy()


def test_a_disk_tells_when_it_fills_up_and_grows(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """The threshold is QEMU's to watch; a disk that there is not is refused."""
    disk = tmp_path / "a.img"
    disk.write_bytes(b"\0" * 2**20)
    devices = f"""<disk type='file'><driver name='qemu' type='raw'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/></disk>"""
    domain = conn.createXML(small("a", devices=devices))
    heard: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    conn.domainEventRegisterAny(domain, 24, lambda *told: heard.put(told[2:]), None)
    domain.setBlockThreshold("vda", 65536)
    domain.blockResize("vda", 2048)
    assert disk.stat().st_size == 2 * 2**20
    wait_until(lambda: conn.getAllDomainStats(32)[0][1]["block.0.capacity"] == 2 * 2**20)
    assert conn.getAllDomainStats(32)[0][1]["block.0.threshold"] == 65536
    backend = "/machine/peripheral/virtio-disk0/virtio-backend"
    libvirt_qemu.qemuMonitorCommand(domain, f'qemu-io -d {backend} "write 128k 64k"', 1)
    assert heard.get(timeout=SECONDS) == ("vda", str(disk), 65536, 131072, None)
    for call in (lambda: domain.setBlockThreshold("vdz", 1), lambda: domain.blockResize("vdz", 1)):
        assert code_of(call) == libvirt.VIR_ERR_INVALID_ARG
    domain.destroy()
