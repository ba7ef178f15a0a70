"""Every fault point that a network's life passes, alone and with the death of the agent.

Three passes of each point, the first, the middle and the last; ``FAULT_PASSES=all`` takes every pass of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.faults import POINTS, VARIABLE
from faults import network_scenario as scenario
from faults.test_points import check_events, check_files
from guest.domain import uri
from integration.network.conftest import Namespace, namespace

__all__ = ["namespace"]

SCENARIO = Path(scenario.__file__)
SECONDS = 60
EVERY = os.environ.get("FAULT_PASSES") == "all"
NONE = {"qmp.connecting", "qmp.sent", "qmp.answered", "qmp.event", "file.given"}
"""Points of guests, and of images."""

PASSED = [name for name in POINTS if name not in NONE]
FAULTS = [
    *(f"{name}=crash" for name in PASSED),
    *(f"{name}=error:ENOSPC" for name in PASSED if "error" in POINTS[name].effects),
    *(f"{name}=kill" for name in PASSED),
]


def run(root: Path, injected: str = "") -> subprocess.CompletedProcess[str]:
    """The scenario in a process of its own, in this namespace."""
    return subprocess.run(
        [sys.executable, str(SCENARIO), str(root)],
        env={**os.environ, VARIABLE: injected, "PYTHONPATH": str(SCENARIO.parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_every_point_of_the_driver_is_passed(namespace: Namespace, tmp_path: Path) -> None:
    """And what is up in the end is one network; nothing of it is left when that stops."""
    done = run(tmp_path / "root")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout.splitlines()[-1])) >= set(CHOSEN)
    check(tmp_path / "root", namespace)


CHOSEN = ("file.renamed", "file.removed", "journal.mark", "process.spawned", "process.signalled")


@pytest.mark.parametrize("fault", FAULTS)
def test_no_point_of_a_network_breaks_anything(namespace: Namespace, tmp_path: Path, fault: str) -> None:
    """Definitions are old or new, what is active is whole, and what is not left nothing."""
    point, deadly = fault.partition("=")[0], fault.endswith("=kill")
    passes = dict(json.loads(run(tmp_path / "count").stdout.splitlines()[-1])).get(point, 0)
    with libvirt.open(uri(tmp_path / "count", "network")) as conn:
        conn.networkLookupByName("first").destroy()
    for at in chosen(passes):
        root = tmp_path / f"root{at}"
        done = run(root, f"{fault}@{at}")
        assert done.returncode == (-9 if deadly else 0), (at, done.stderr)
        check(root, namespace)


def chosen(passes: int) -> Iterable[int]:
    """Which passes of a point to look at, from 1 on."""
    return (
        range(1, passes + 1)
        if EVERY
        else sorted({1, (passes + 1) // 2, max(1, passes - 2)} if passes else ())
    )


def check(root: Path, namespace: Namespace) -> None:
    """The invariants, in a new agent."""
    with libvirt.open(uri(root, "network"), settings=scenario.SETTINGS) as conn:
        for network in conn.listAllNetworks():
            assert network.name() in ("first", "second")
            if network.isActive():
                whole(network, namespace)
                network.destroy()
        assert namespace.traces() == []
        assert conn.root.journal.open() == []
        for network in conn.listAllNetworks():
            network.undefine()
        scenario.life(conn)
        conn.networkLookupByName("first").destroy()
        assert namespace.traces() == []
    check_files(root)
    check_events(root)
    places = [root / "run/network", root / "lib/dnsmasq"]
    left = [each.name for place in places for each in place.rglob("*") if each.is_file()]
    assert [name for name in left if name != "autostarted"] == []


def whole(network: libvirt.virNetwork, namespace: Namespace) -> None:
    """Its bridge, its address, its rules and its server are there."""
    bridge = network.bridgeName()
    assert bridge in namespace.links()
    assert len(namespace.addresses(bridge)) == 1
    assert f'"{bridge}"' in namespace.run("nft", "list", "ruleset")
    assert len([each for each in namespace.processes() if each.name() == "dnsmasq"]) == 1
