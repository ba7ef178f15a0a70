"""What a network is on its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from embervirt.drivers.network.backend.links import Shape
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.service.planning import Planner
from embervirt.drivers.root.paths import RootPaths

PATHS = RootPaths(Path("/r"))
PLANNER = Planner(PATHS)
IP = "<ip address='10.7.7.1' prefix='24'/>"


def network(inside: str) -> str:
    """With a bridge that has a name and an address."""
    return f"<network><name>n</name><bridge name='b'/><mac address='52:54:00:00:00:01'/>{inside}</network>"


@pytest.mark.parametrize(
    ("inside", "forwards", "server", "rules"),
    [
        ("", (), False, True),
        (IP, (), True, True),
        (f"<forward mode='nat'/>{IP}", (4,), True, True),
        (f"<forward mode='open'/>{IP}", (4,), True, False),
        (f"<forward mode='route'/>{IP}<ip family='ipv6' address='fd00::1' prefix='64'/>", (4, 6), True, True),
        (f"<dns enable='no'/>{IP}", (), False, True),
    ],
)
def test_a_mode_says_what_is_forwarded_served_and_filtered(
    inside: str, forwards: tuple[int, ...], server: bool, rules: bool
) -> None:
    """An isolated network forwards nothing, an open one has no rules."""
    plan = PLANNER.plan(read_network(network(inside)))
    found = plan.forwards, plan.server is not None, bool(plan.firewall), bool(plan.tables)
    assert found == (forwards, server, rules, rules)


def test_a_network_on_the_hosts_bridge_makes_nothing() -> None:
    """It is only joined."""
    text = "<network><name>n</name><forward mode='bridge'/><bridge name='br0'/></network>"
    plan = PLANNER.plan(read_network(text))
    assert (plan.bridge, plan.joined, plan.server, plan.firewall, plan.tables) == (None, "br0", None, "", ())


def test_bandwidth_is_a_shape_and_a_limit() -> None:
    """Kilobytes of libvirt are 1000 bytes a second, and 1024 at once."""
    rates = "<bandwidth><inbound average='100' peak='200' burst='3'/><outbound average='50'/></bandwidth>"
    plan = PLANNER.plan(read_network(network(rates)))
    assert (plan.shape, plan.police) == (Shape(100_000, 200_000, 3072), (50, 50))
    assert ("netdev", f"embervirt-{PATHS.hash8}-in-b") in plan.tables


def test_all_files_of_a_server_are_known_to_whoever_removes_them() -> None:
    """And are under the root."""
    plan = PLANNER.plan(read_network(network(IP)))
    server = PLANNER.server("n")
    assert plan.server == server
    assert {*plan.files, server.leases, server.status} <= set(PLANNER.all_files("n"))
    assert all(path.is_relative_to("/r") for path in PLANNER.all_files("n"))
