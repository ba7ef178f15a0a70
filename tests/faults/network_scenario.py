"""A program that does one of everything with a network, in the namespace that it is started in.

``network_scenario.py ROOT`` prints its passes of the fault points, as JSON, when it comes to its end.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.network.messages import Owner, Plug, Unplug
from faults.scenario import attempt
from guest.domain import uri

UUIDS = ("11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002")
OWNER = Owner("22222222-2222-4222-8222-222222222222", "guest", "run-1")
MAC = "52:54:00:11:11:11"
HOST = f"<host mac='{MAC}' ip='10.7.7.7'/>"
SETTINGS: dict[str, object] = {
    "calls.deadline": 20.0, "supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01,
}  # fmt: skip
LIVE_AND_CONFIG = 3


def xml(name: str, uuid: str, more: str = "") -> str:
    """A network with a server and rules."""
    return (
        f"<network><name>{name}</name><uuid>{uuid}</uuid><forward mode='nat'/>{more}"
        f"<ip address='10.7.{7 + UUIDS.index(uuid)}.1' prefix='24'><dhcp><range start='10.7."
        f"{7 + UUIDS.index(uuid)}.100' end='10.7.{7 + UUIDS.index(uuid)}.200'/></dhcp></ip></network>"
    )


def life(conn: libvirt.virConnect) -> None:
    """Of two networks and a port; the first is active in the end, the second is gone."""
    first = conn.networkDefineXML(xml("first", UUIDS[0]))
    first.create()
    first.setAutostart(1)
    first.update(3, 4, -1, HOST, LIVE_AND_CONFIG)
    port = conn.root.call("network", Plug(OWNER, MAC, "network", "first"))
    for each in conn.root.bus.handover.take(port.token):
        os.close(each)
    conn.root.call("network", Unplug(port.id))
    second = conn.networkCreateXML(xml("second", UUIDS[1]))
    second.destroy()
    first.destroy()
    first.setAutostart(0)
    first.undefine()
    conn.networkDefineXML(xml("first", UUIDS[0])).create()


def main(root: Path) -> None:
    """An error of the tree is an answer."""

    def everything() -> None:
        with libvirt.open(uri(root, "network"), settings=SETTINGS) as conn:
            attempt(lambda: life(conn))

    attempt(everything)


if __name__ == "__main__":
    with faults.record() as passed:
        main(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(passed))
