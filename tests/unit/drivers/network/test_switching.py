"""What a network without privilege is told to its switch, and what it cannot have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.reading import read_definition
from embervirt.drivers.network.service.switching import PRIVILEGED, SwitchPlanner
from embervirt.drivers.root.paths import RootPaths

XML = (
    "<network><name>lab</name><mac address='52:54:00:00:00:01'/>{}"
    "<ip address='10.8.0.1' prefix='24'>{}</ip>{}</network>"
)


def config(tmp_path: Path, beside: str = "", inside: str = "", after: str = "") -> dict[str, object]:
    """The content of the only file."""
    planner = SwitchPlanner(RootPaths(tmp_path))
    plan = planner.plan(read_definition(XML.format(beside, inside, after)))
    (content,) = plan.files.values()
    found: dict[str, object] = json.loads(content)
    return found


def test_a_switch_is_told_all_of_a_network(tmp_path: Path) -> None:
    """Addresses, who gets which, names, how large a packet may be."""
    dhcp = (
        "<dhcp><range start='10.8.0.10' end='10.8.0.20'><lease expiry='2' unit='hours'/></range>"
        "<host mac='52:54:00:00:00:AA' name='one' ip='10.8.0.5'/>"
        "<bootp file='/pxe' server='10.8.0.9'/></dhcp>"
    )
    dns = "<dns><txt name='About' value='x'/><host ip='10.8.0.7'><hostname>P</hostname></host></dns>"
    told = config(tmp_path, f"<mtu size='1400'/><domain name='lab.test'/>{dns}", dhcp)
    assert told["address"] == "10.8.0.1/24" and told["mtu"] == 1400 and told["domain"] == "lab.test"
    assert told["ranges"] == [["10.8.0.10", "10.8.0.20"]] and told["lease"] == 7200
    assert told["hosts"] == [{"address": "10.8.0.5", "mac": "52:54:00:00:00:aa", "name": "one"}]
    assert told["names"] == {"p": ["10.8.0.7"]} and told["texts"] == {"about": "x"}
    assert told["boot"] == ["/pxe", "10.8.0.9"] and told["answers"] is True


def test_a_network_without_address_only_passes_frames(tmp_path: Path) -> None:
    """Its switch has no host of its own."""
    planner = SwitchPlanner(RootPaths(tmp_path))
    told = planner.config(read_definition(WIRE))
    assert told.address == "" and told.hosts == () and told.ranges == ()


WIRE = "<network><name>wire</name><mac address='52:54:00:00:00:01'/></network>"

WANTS = {
    "<virtualport>": ("<virtualport type='openvswitch'/>", "", ""),
    "<bandwidth>": ("<bandwidth><inbound average='1'/></bandwidth>", "", ""),
    "<vlan>": ("<vlan><tag id='3'/></vlan>", "", ""),
    "<route>": ("", "", "<route address='10.9.0.0' prefix='24' gateway='10.8.0.2'/>"),
    "<forwarder> in <dns>": ("<dns><forwarder addr='9.9.9.9'/></dns>", "", ""),
    "<srv> in <dns>": ("<dns><srv service='s' protocol='tcp'/></dns>", "", ""),
    "<tftp>": ("", "<tftp root='/t'/>", ""),
    "<ip family='ipv6'>": ("", "", "<ip family='ipv6' address='fd00::1' prefix='64'/>"),
    "a second <ip>": ("", "", "<ip address='10.9.0.1' prefix='24'/>"),
    "<dnsmasq:options>": (
        "",
        "",
        "<dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
        "<dnsmasq:option value='foo'/></dnsmasq:options>",
    ),
}


@pytest.mark.parametrize("what", PRIVILEGED)
def test_what_a_switch_cannot_do_is_refused_by_name(tmp_path: Path, what: str) -> None:
    """Each, with what it is called in the XML."""
    with pytest.raises(NetworkUnsupported, match="CAP_NET_ADMIN") as caught:
        config(tmp_path, *WANTS[what])
    assert f"'lab': {what} needs" in str(caught.value)
