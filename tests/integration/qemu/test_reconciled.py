"""Devices that another client of QEMU's monitor takes from a guest while nobody listens: found, and told."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.actors.messages import Event, Numbered
from embervirt.drivers.qemu.messages import Degraded, DeviceRemoved, Lifecycle, Query
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import SECONDS, kill, opened, pid_of, qemus, small, uri, wait_until
from guest.host import Host
from guest.namespace import Namespace, entered
from guest.qmp import Client

REMOVED = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
WHY = "reconciled: it was found so"
BUS = "<controller type='usb' model='qemu-xhci' ports='8'/>"
"""What is on it QEMU takes out without asking the guest."""

DISK = "<disk type='file'><source file='{}'/><target dev='sda' bus='usb'/></disk>"
CARD = "<interface type='bridge'><source bridge='br7'/><model type='usb-net'/></interface>"
TABLET = "<input type='tablet' bus='usb'/>"
KILLED = """
conn = libvirt.open(uri(ROOT))
conn.createXML(sys.stdin.readline())
say(ready=True)
signal.pause()
"""


@pytest.fixture
def here() -> Iterator[Namespace]:
    """With a bridge; making taps needs rights there."""
    with entered() as made:
        made.run("ip", "link", "add", "br7", "type", "bridge")
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Not made yet; guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def begun(root: Path, xml: str, how: str) -> None:
    """A guest of a root that was closed, or whose program was killed."""
    if how == "closed":
        with libvirt.open(uri(root)) as conn:
            conn.createXML(xml)
        return
    host = Host(root, KILLED)
    assert host.process.stdin
    host.process.stdin.write(" ".join(xml.split()))
    host.line()
    host.hear()
    host.kill()


def monitor(root: Path) -> Path:
    """Of the guest."""
    return root / "lib/qemu/domain-1-a/monitor.sock"


def take(client: Client, alias: str) -> None:
    """The device is gone when this returns."""
    gone = {"event": "DEVICE_DELETED", "data": {"device": alias, "path": f"/machine/peripheral/{alias}"}}
    heard: list[Any] = client.ask("device_del", id=alias)
    while gone not in heard:
        heard.append(client.hear())


def past(conn: libvirt.virConnect) -> Sequence[Event]:
    """Of the guest, since the root was made; a mark of this root's own is the last."""
    conn.defineXML(small("mark"))
    conn.lookupByName("mark").undefine()
    found: list[Event | None] = []
    with conn.root.subscribe(since=0) as events:
        while not (found and isinstance(found[-1], Lifecycle) and found[-1].name == "mark"):
            received = events.get(SECONDS)
            assert isinstance(received, Numbered), found
            found.append(received.event())
    return [each for each in found if isinstance(each, Lifecycle | DeviceRemoved | Degraded)][:-1]


def without(domain: libvirt.virDomain, *aliases: str) -> bool:
    """Whether it has none of these any more, by its description."""
    return not any(f"<alias name='{each}'/>" in domain.XMLDesc() for each in aliases)


def qmp(domain: libvirt.virDomain, command: str, **arguments: Any) -> Any:
    """What QEMU answers."""
    asked = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(qemuMonitorCommand(domain, asked, 0))["return"]


def leased(root: Path) -> list[str]:
    """Images that guests use."""
    path = root / "lib/embervirt/leases.json"
    return [each["path"] for each in json.loads(path.read_text())] if path.exists() else []


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_j11_devices_that_another_client_removed_are_reconciled_by_the_next_opening(
    root: Path, tmp_path: Path, here: Namespace, how: str
) -> None:
    """Told once, each with that cause; out of description and QEMU, and what they used is free again."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    begun(root, small("a", devices=BUS + DISK.format(image) + CARD + TABLET), how)
    pid, links = pid_of(root, "a"), set(here.links())
    assert len(links) == 2 and leased(root) == [str(image)]
    client = Client(monitor(root)).negotiate()
    for alias in ("usb-disk0", "net0"):
        take(client, alias)
    client.close()
    for _ in range(2):
        with libvirt.open(uri(root)) as conn:
            domain = conn.lookupByName("a")
            wait_until(partial(without, domain, "usb-disk0", "net0"))
            started, *told = past(conn)
            assert isinstance(started, Lifecycle)
            who = (domain.name(), domain.UUIDString(), 1)
            assert told == [DeviceRemoved(*who, each, False, WHY) for each in ("usb-disk0", "net0")]
            assert domain.messages() == []
            assert "<alias name='input0'/>" in domain.XMLDesc() and pid_of(root, "a") == pid
            assert qmp(domain, "query-named-block-nodes") == []
            assert "hostnet0" not in qmp(domain, "human-monitor-command", **{"command-line": "info network"})
            wait_until(lambda: set(here.links()) == {"br7"})
            assert leased(root) == []
    with libvirt.open(uri(root)) as conn:
        conn.createXML(small("b", devices=BUS + DISK.format(image))).destroy()
        conn.lookupByName("a").attachDevice(CARD)
        assert "<alias name='net0'/>" in conn.lookupByName("a").XMLDesc()
        assert len(list((root / "run/network/ports").iterdir())) == 1
        conn.lookupByName("a").destroy()


def test_j11_a_device_that_left_while_the_monitor_was_lost_is_told_to_callbacks(root: Path) -> None:
    """The event that programs wait for after an unplug, once; the rest of the guest is as it was."""
    heard: queue.Queue[str] = queue.Queue()
    with opened(root) as conn:
        domain = conn.createXML(small("a", devices=BUS + TABLET))
        conn.domainEventRegisterAny(None, REMOVED, lambda _conn, _dom, alias, _opaque: heard.put(alias), None)
        before = domain.XMLDesc()
        where = {"command": "query-name"}
        with faults.inject("qmp.sent", faults.cut(), times=1, where=where):
            client = Client(monitor(root))  # it is the next to be served
            with pytest.raises(libvirt.libvirtError):
                domain._call(Query('{"execute": "query-name"}'))
            take(client.negotiate(), "input0")
            client.close()
            assert heard.get(timeout=SECONDS) == "input0"
        wait_until(lambda: domain.messages() == [])
        lines = [line for line in before.splitlines() if line not in domain.XMLDesc().splitlines()]
        assert lines[0].strip().startswith("<input type='tablet'") and len(lines) <= 4
        assert heard.empty() and domain.isActive()
        domain.destroy()
