"""Where a guest's interface goes, and what its port is: from the interface, its portgroup, its network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from embervirt.drivers.network.messages import Owner, Plug
from embervirt.drivers.network.model import Vlan
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.service import porting
from embervirt.drivers.network.service.networks import new_row
from embervirt.drivers.network.tables import NetworkRow, PortRow
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError

MAC = "52:54:00:11:11:11"
ID = "33333333-3333-3333-3333-333333333333"


def wish(**more: Any) -> Plug:
    """Of a guest."""
    return Plug(
        Owner("22222222-2222-2222-2222-222222222222", "g", "r"), MAC, more.pop("type", "network"), **more
    )


def active(inside: str, bridge: str = "") -> NetworkRow:
    """A network that is up."""
    row = new_row(read_network(f"<network><name>n</name>{inside}</network>"), defined=True)
    return replace(row, active=True, bridge=bridge)


def port(row: NetworkRow, **more: Any) -> PortRow:
    """Plugged into it."""
    wanted = wish(**more)
    return porting.port(wanted, porting.place(wanted, row, []), row.network, ID, "tap0")


@pytest.mark.parametrize(
    ("inside", "bridge", "type_", "link", "mode"),
    [
        ("<bridge name='b'/>", "b", "tap", "", ""),
        ("<forward mode='bridge'/><bridge name='b'/>", "b", "tap", "", ""),
        ("<forward mode='bridge' dev='e'/>", "", "direct", "e", "bridge"),
        (
            "<forward mode='vepa'><interface dev='e'/><interface dev='f'/></forward>",
            "",
            "direct",
            "e",
            "vepa",
        ),
    ],
)
def test_a_network_says_where_its_guests_go(
    inside: str, bridge: str, type_: str, link: str, mode: str
) -> None:
    """Into its bridge, or onto one of its links."""
    found = porting.place(wish(), active(inside, bridge), [])
    assert (found.type, found.bridge, found.link, found.mode) == (type_, bridge, link, mode)


def test_guests_are_shared_out_over_a_pool() -> None:
    """The next one goes where the fewest are."""
    row = active("<forward mode='private'><interface dev='e'/><interface dev='f'/></forward>")
    used = port(row)
    assert (used.link, porting.place(wish(), row, [used]).link) == ("e", "f")


def test_a_network_of_pci_devices_has_no_ports() -> None:
    """The error says what it has."""
    with pytest.raises(libvirtError, match="gives guests PCI devices"):
        porting.place(wish(), active("<forward mode='hostdev'><pf dev='e'/></forward>"), [])


def test_what_the_interface_says_goes_before_its_portgroup() -> None:
    """And what the network says is for whoever says nothing."""
    rate = "<bandwidth><inbound average='{}'/></bandwidth>"
    row = active(f"<port isolated='yes'/><portgroup name='p' default='yes'>{rate.format(5)}</portgroup>", "b")
    assert "average='5'" in port(row).bandwidth and port(row).isolated
    own = port(row, bandwidth=rate.format(7))
    assert "average='7'" in own.bandwidth and "average='7'" in own.xml
    changed = porting.changed(own, bandwidth="", isolated=False)
    assert "bandwidth" not in changed.xml and "isolated" not in changed.xml


@pytest.mark.parametrize(
    ("xml", "tags"),
    [
        ("<vlan><tag id='5'/></vlan>", ((5, True),)),
        ("<vlan trunk='yes'><tag id='5'/></vlan>", ((5, False),)),
        (
            "<vlan trunk='yes'><tag id='5' nativeMode='untagged'/><tag id='6'/></vlan>",
            ((5, True), (6, False)),
        ),
    ],
)
def test_tags_are_what_the_bridge_is_told(xml: str, tags: tuple[tuple[int, bool], ...]) -> None:
    """One tag that is no trunk is the guest's only VLAN, and it does not see the tag."""
    assert porting.tags(parse(Vlan, xml)) == tags


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"queues": 0}, "0 queues; a tap has 1 to 256"),
        ({"virtualport": "<virtualport type='openvswitch'/>"}, "'openvswitch' is not supported"),
        (
            {"bandwidth": "<bandwidth><inbound average='1' floor='1'/></bandwidth>"},
            "'floor' is not supported",
        ),
        ({"portgroup": "x"}, "has no portgroup 'x'; it has none"),
    ],
)
def test_what_cannot_be_is_refused_by_name(more: dict[str, Any], says: str) -> None:
    """With what would be accepted."""
    with pytest.raises(libvirtError, match=says):
        port(active("", "b"), **more)
