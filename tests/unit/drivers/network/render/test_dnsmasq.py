"""A network's files of dnsmasq are those that libvirt 9 writes for the same network."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.render import dnsmasq
from embervirt.drivers.xml import parse

ANSWERED = [json.loads(line) for line in (Path(__file__).parent / "libvirt9.jsonl").read_text().splitlines()]
"""What an installed libvirt 9 wrote, without the line of its pid; no ``conf``: it started no dnsmasq."""


def network(more: str) -> Network:
    """One with a bridge."""
    return parse(Network, f"<network><name>n</name><bridge name='br0'/>{more}</network>")


def lines(text: str) -> list[str]:
    """Those that dnsmasq reads."""
    return sorted(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("case", ANSWERED, ids=range(len(ANSWERED)))
def test_files_of_a_network_have_libvirts_lines(case: dict[str, Any]) -> None:
    """Configuration, hosts and names; and a network has a dnsmasq when it has one in libvirt."""
    made = parse(Network, case["network"])
    assert dnsmasq.needed(made) == (case["conf"] is not None)
    if case["conf"] is not None:
        assert lines(dnsmasq.configuration(made, "/d/n1.hostsfile", "/d/n1.addnhosts")) == sorted(
            case["conf"]
        )
        assert dnsmasq.hosts(made) == case["hosts"]
        assert dnsmasq.names(made).splitlines() == case["names"]


@pytest.mark.parametrize(
    "more",
    [
        "<dns><txt name='a' value='b&#10;dhcp-script=/tmp/x'/></dns>",
        "<domain name='a&#10;port=0'/>",
        "<dns><host ip='10.0.0.9'><hostname>a&#10;b</hostname></host></dns>",
    ],
)
def test_a_value_with_a_line_break_is_refused(more: str) -> None:
    """It would be a line of its own, which nobody wrote."""
    made = network(more + "<ip address='10.0.0.1' prefix='24'/>")
    with pytest.raises(NetworkUnsupported, match="line break"):
        dnsmasq.configuration(made, "h", "n") + dnsmasq.names(made)


def test_options_of_the_namespace_are_the_last_lines_in_their_order() -> None:
    """dnsmasq reads them after its own."""
    space = "xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'"
    given_options = "".join(f"<dnsmasq:option value='{value}'/>" for value in ("b=2", "a=1"))
    body = f"<ip address='10.0.0.1' prefix='24'/><dnsmasq:options>{given_options}</dnsmasq:options>"
    made = parse(Network, f"<network {space}><name>n</name><bridge name='br0'/>{body}</network>")
    assert dnsmasq.configuration(made, "h", "n").splitlines()[-2:] == ["b=2", "a=1"]


@given(st.integers(0, 2**32 - 1), st.sampled_from((8, 16, 24)), st.data())
def test_the_reverse_zone_of_a_subnet_holds_each_of_its_addresses(
    number: int, prefix: int, data: st.DataObject
) -> None:
    """The pointer of an address ends with the zone, after as many labels as the subnet leaves open."""
    subnet = IPv4Network((number, prefix), strict=False)
    address = subnet[data.draw(st.integers(0, subnet.num_addresses - 1))]
    labels = address.reverse_pointer.split(".")
    assert ".".join(labels[(32 - prefix) // 8 :]) == dnsmasq.reverse_zone(subnet)


@pytest.mark.parametrize(
    "subnet",
    [IPv4Network("10.0.0.0/20"), IPv4Network("10.0.0.0/32"), IPv6Network("fd00::/63"), IPv6Network("::/0")],
)
def test_a_subnet_between_two_zones_has_none(subnet: IPv4Network | IPv6Network) -> None:
    """The error is libvirt's, and says which prefixes have one."""
    with pytest.raises(NetworkUnsupported, match="cannot be automatically created; a prefix of"):
        dnsmasq.reverse_zone(subnet)
