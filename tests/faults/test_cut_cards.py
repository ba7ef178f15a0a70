"""Somebody dies at each step of a card's plug, unplug or start: its two ends are there, or neither is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import embervirt as libvirt
from embervirt import faults
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import opened, qemus, small, uri, wait_until
from guest.host import Host
from guest.namespace import Namespace, entered
from integration.network.conftest import PROMPT, network_xml

LIVE = 1
SETTINGS = {**PROMPT, "supervision.guest_intensity": 500, "supervision.driver_intensity": 500}
BUS = "<controller type='usb' model='qemu-xhci' ports='8'/>"
CARD = (
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net'/>"
    "<model type='usb-net'/><bandwidth><outbound average='100'/></bandwidth>"
    "<filterref filter='clean-traffic'/></interface>"
)
STEPS: dict[str, tuple[str, dict[str, str]]] = {
    "a command to QEMU": ("qmp.sent", {}),
    "a mark": ("journal.mark", {}),
    "the result": ("journal.result", {}),
    "an event": ("event.published", {}),
    "the request": ("message.received", {"actor": "network"}),
    "the reply": ("reply.sent", {"actor": "network"}),
    "the port's record": ("file.renamed", {"path": "*/run/network/ports/*"}),
    "the run's record": ("file.renamed", {"path": "*/run/qemu/*.json"}),
}


class World:
    """A guest and a network for its card, which is one of USB, so QEMU takes it out without asking."""

    def __init__(self, here: Namespace, conn: libvirt.virConnect, networks: libvirt.virConnect) -> None:
        self.here, self.conn = here, conn
        self.network = networks.networkCreateXML(network_xml())
        self.domain = conn.createXML(small("cut", devices=BUS))

    def seen(self) -> dict[str, Any]:
        """All that a card is or leaves behind: in QEMU, in the XML, of the network driver, on the host."""
        links = {each for each in self.here.links() if each.startswith("et")}
        shown = etree.fromstring(self.domain.XMLDesc()).findall(".//interface/target")
        return {
            "devices": sum(
                each["name"] == "net0" for each in self.qmp("qom-list", path="/machine/peripheral")
            ),
            "netdevs": self.qmp("human-monitor-command", **{"command-line": "info network"}).count(
                "hostnet0"
            ),
            "shown": len(shown),
            "ports": len(self.network.listAllPorts()),
            "taps": len(links),
            "tables": sum("-et" in each for each in self.here.tables()),
            "apart": {each.get("dev") for each in shown} ^ links,
        }

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(qemuMonitorCommand(self.domain, asked, 0))["return"]

    def plug(self) -> None:
        """The card."""
        self.domain.attachDeviceFlags(CARD, LIVE)

    def unplug(self) -> None:
        """The card, for good: its other end goes a moment later."""
        self.domain.detachDeviceFlags(CARD, LIVE)

    def cut(self, do: Callable[[], None], step: str, after: int) -> bool:
        """Do it with somebody dying at that pass of ``step``; whether it came to that."""
        point, where = STEPS[step]
        with faults.inject(point, faults.crash(), times=1, after=after, where=where) as crashed:
            try:
                do()
            except libvirt.libvirtError:
                assert crashed.hits
        wait_until(lambda: self.conn.root.journal.open() == [])
        wait_until(lambda: self.domain.messages() == [])
        return bool(crashed.hits)

    def agrees(self, *accepted: dict[str, Any]) -> dict[str, Any]:
        """What is seen, once it is one of these."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.seen() in accepted)
        found = self.seen()
        assert found in accepted
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """In a namespace of its own."""
    root = tmp_path_factory.mktemp("cards") / "root"
    with (
        entered() as here,
        libvirt.open(uri(root, "network"), settings=SETTINGS) as networks,
        opened(root) as conn,
    ):
        yield World(here, conn, networks)


@pytest.mark.parametrize("step", STEPS)
def test_a_card_whose_plug_is_cut_is_whole_or_nothing(world: World, step: str) -> None:
    """Every pass in turn; afterwards it can be plugged, or unplugged, as if nothing had been."""
    without = world.seen()
    world.plug()
    with_it = world.seen()
    world.unplug()
    world.agrees(without)
    cuts = 0
    while world.cut(world.plug, step, cuts):
        cuts += 1
        if world.agrees(without, with_it) == with_it:
            world.unplug()
        world.agrees(without)
    assert cuts
    world.unplug()
    world.agrees(without)


@pytest.mark.parametrize(
    "step", ["a command to QEMU", "a mark", "the result", "an event", "the run's record"]
)
def test_a_card_whose_unplug_is_cut_is_gone_in_the_end(world: World, step: str) -> None:
    """Every pass in turn; what was not begun can be done again."""
    without, cuts = world.seen(), 0
    world.plug()
    with_it = world.seen()
    while world.cut(world.unplug, step, cuts):
        cuts += 1
        if world.agrees(without, with_it) == without:
            world.plug()
        world.agrees(with_it)
    assert cuts
    world.agrees(without)


START = f"""
networks = libvirt.open(uri(ROOT, "network"))
networks.networkCreateXML({network_xml()!r})
conn = libvirt.open(uri(ROOT))
say(ready=True)
conn.createXML({small("cut", devices=BUS + CARD)!r}, 0)
"""


@pytest.mark.parametrize(
    "point",
    [
        "file.renamed[path=*/run/network/ports/*]=kill",
        "file.renamed[path=*/run/network/ports/*]=kill@2",
        "process.spawned[program=*qemu*]=kill",
        "file.renamed[path=*/run/qemu/cut.json]=kill",
        "qmp.sent[command=cont]=kill",
    ],
)
def test_a_process_that_dies_in_a_start_leaves_a_guest_with_its_card_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The next opening finds out which, and the network goes in the end without a trace."""
    root = tmp_path / "root"
    with entered() as here:
        monkeypatch.setenv(faults.VARIABLE, point)
        host = Host(root, START)
        host.end(status=-9)
        monkeypatch.delenv(faults.VARIABLE)
        with libvirt.open(uri(root, "network")) as networks, opened(root) as conn:
            network = networks.networkLookupByName("net")
            wait_until(lambda: conn.root.journal.open() == [])
            count = len(qemus(root))
            assert len(conn.listAllDomains()) == count
            wait_until(lambda: len(network.listAllPorts()) == count)
            assert sum(each.startswith("et") for each in here.links()) == count
            for each in conn.listAllDomains():
                each.destroy()
            wait_until(lambda: network.listAllPorts() == [])
            network.destroy()
            wait_until(lambda: here.traces() == [])
