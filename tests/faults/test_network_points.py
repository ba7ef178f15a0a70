"""Every fault point that a network's life passes, alone and with the death of the agent.

One pass of each point, the middle one; ``FAULT_PASSES=all`` takes every pass of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.faults import POINTS, VARIABLE
from faults import network_scenario as scenario
from faults.test_points import check_events, check_files, chosen
from guest.domain import uri
from guest.namespace import Namespace, entered
from integration.network.conftest import namespace

__all__ = ["namespace"]

SCENARIO = Path(scenario.__file__)
SECONDS = 120
EVERY = os.environ.get("FAULT_PASSES") == "all"
pytestmark = pytest.mark.timeout(1800 if EVERY else 300)
NONE = {"qmp.connecting", "qmp.sent", "qmp.answered", "qmp.event", "file.given", "directory.removed"}
"""Points of guests."""

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


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often the scenario passes each point when nothing goes wrong; one network is up in its end."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    root = tmp_path_factory.mktemp("count")
    with entered() as here:
        done = run(root)
        assert (done.returncode, done.stderr) == (0, "")
        check(root, here)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_point_is_passed(passed: dict[str, int]) -> None:
    """One that the scenario never comes to would be looked at in vain."""
    assert set(PASSED) <= set(passed)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_point_of_a_network_breaks_anything(
    namespace: Namespace, tmp_path: Path, passed: dict[str, int], fault: str
) -> None:
    """Definitions are old or new, what is active is whole, and what is not left nothing."""
    point, deadly = fault.partition("=")[0], fault.endswith("=kill")
    for at in chosen(passed.get(point, 0)):
        root = tmp_path / f"root{at}"
        done = run(root, f"{fault}@{at}")
        assert done.returncode == (-9 if deadly else 0), (at, done.stderr)
        check(root, namespace)


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
    assert len(namespace.programs("dnsmasq", of=f"/{network.name()}.conf")) == 1
