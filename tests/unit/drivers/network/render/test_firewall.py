"""A network's rules are what its way of forwarding says; golden files show them as nftables reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.render import firewall
from embervirt.drivers.xml import parse

FOUR = "<ip address='10.7.7.1' netmask='255.255.255.0'/>"
SIX = "<ip family='ipv6' address='2001:db8:7::1' prefix='64'/>"
DHCP = FOUR.replace("/>", "><dhcp><range start='10.7.7.2' end='10.7.7.9'/></dhcp><tftp root='/srv/t'/></ip>")
POOL = "<nat ipv6='yes'><address start='192.0.2.4' end='192.0.2.9'/><port start='500' end='1000'/></nat>"
NETWORKS = {
    "isolated": DHCP + SIX,
    "nat": "<forward mode='nat'/>" + DHCP + SIX,
    "nat-pool": f"<forward mode='nat' dev='eth1'>{POOL}</forward>" + FOUR + SIX,
    "route": "<forward mode='route' dev='eth1'/>" + FOUR + SIX,
}


def network(more: str, attributes: str = "", bridge: str = "br0") -> Network:
    """One with a bridge."""
    return parse(Network, f"<network {attributes}><name>n</name><bridge name='{bridge}'/>{more}</network>")


@pytest.mark.parametrize("name", NETWORKS)
def test_each_way_of_forwarding_has_its_ruleset(name: str, golden: Callable[[str, str], None]) -> None:
    """As in the golden file."""
    golden(f"network/firewall/{name}.nft", firewall.ruleset(network(NETWORKS[name]), "embervirt-00000000-n"))


def test_an_open_network_has_no_table() -> None:
    """Who opens a network says himself what may pass; a table of before is taken away."""
    assert firewall.ruleset(network("<forward mode='open'/>" + FOUR), "t") == firewall.gone("t")


@pytest.mark.parametrize("more", [FOUR, SIX, FOUR + SIX])
def test_nothing_is_forwarded_for_an_isolated_network(more: str) -> None:
    """Only packets that stay on its bridge."""
    let = [each for each in firewall.rules(network(more)) if each.verdict == "accept"]
    assert all(each.into == each.out_of == "br0" for each in let if each.chain in ("in", "out", "cross"))
    assert not [each for each in firewall.rules(network(more)) if each.chain == "nat"]


def test_ipv6_is_no_matter_of_a_network_that_has_none() -> None:
    """Unless it says so: then guests reach each other, and nobody else."""
    assert {each.version for each in firewall.rules(network(FOUR))} == {4}
    six = [each for each in firewall.rules(network(FOUR, "ipv6='yes'")) if each.version == 6]
    assert [(each.chain, each.verdict) for each in six] == [
        ("out", "reject"),
        ("in", "reject"),
        ("cross", "accept"),
    ]


def test_answers_alone_come_to_guests_behind_a_translation() -> None:
    """Whoever is outside reaches guests of a routed network, but not those of a translated one."""
    for mode, known in (("nat", True), ("route", False)):
        made = network(f"<forward mode='{mode}'/>" + FOUR)
        (inwards,) = (
            each for each in firewall.rules(made) if each.chain == "in" and each.verdict == "accept"
        )
        assert inwards.known == known


@pytest.mark.parametrize("name", ['a"b', "eth*", "a\\b", "a\nb"])
def test_a_link_that_nft_would_read_otherwise_is_refused(name: str) -> None:
    """A star stands for many links, a quote ends the name."""
    with pytest.raises(NetworkUnsupported, match="nftables takes no name"):
        firewall.quoted(name)


def test_checksums_are_asked_for_where_dhcp_of_ipv4_answers() -> None:
    """Nowhere else."""
    assert firewall.fills_checksums(network(DHCP))
    assert not firewall.fills_checksums(network(FOUR + SIX))
