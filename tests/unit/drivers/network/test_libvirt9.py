"""Answers of libvirt 9.0.0 to some 1500 definitions and updates, recorded once, beside the answers here.

``definitions.jsonl``: what stands in the network, libvirt's error code or 0, and what it made of it.
``updates.jsonl``: first the networks, then of which, command, section, parent, XML, code, and what changed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from lxml import etree

from embervirt.drivers.network.model import Network
from embervirt.drivers.network.postparse import placed
from embervirt.drivers.network.reading import read_definition, read_network
from embervirt.drivers.network.updating import updated
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

ANSWERS = Path(__file__).parent / "libvirt9"
UUID = "<uuid>81ff0d90-c91e-6742-64da-4a736edb9a9b</uuid>"


def network(body: str, attributes: str = "") -> str:
    """A definition with a name and a UUID."""
    return f"<network {attributes}><name>n</name>{UUID}{body}</network>"


def lines(xml: str) -> list[str]:
    """One for each element, with its depth; elements of different names in the order of their names.

    A MAC address of the bridge is made up, and where a namespace is declared has no meaning.
    """
    found: list[str] = []
    _add(etree.fromstring(xml), 0, found)
    return found


def _add(node: etree._Element, depth: int, found: list[str]) -> None:
    attributes = "".join(f" {name}={node.get(name)!r}" for name in sorted(map(str, node.attrib)))
    if depth == 1 and node.tag == "mac":
        return
    found.append(f"{' ' * depth}{node.tag}{attributes} {(node.text or '').strip()}".rstrip())
    for child in sorted((each for each in node if isinstance(each.tag, str)), key=lambda each: str(each.tag)):
        _add(child, depth + 1, found)


def answered(make: Callable[[], Network]) -> tuple[int, str]:
    """The error's code, or 0 and the XML."""
    try:
        return 0, render(make())
    except libvirtError as error:
        assert error.get_error_domain() is not None
        return error.get_error_code() or -1, ""


def test_definitions_are_read_and_refused_as_by_libvirt() -> None:
    """The same error code, or the same network."""
    differing = []
    for line in (ANSWERS / "definitions.jsonl").read_text().splitlines():
        body, code, *wanted = json.loads(line)
        mine, xml = answered(partial(_defined, body))
        if mine != code or (wanted and lines(xml) != wanted[0]):
            differing.append((body, code, mine, xml))
    assert differing == []


def test_updates_are_served_and_refused_as_by_libvirt() -> None:
    """The same error code, or the same change."""
    rows = (ANSWERS / "updates.jsonl").read_text().splitlines()
    bases, differing = [read_network(text) for text in json.loads(rows[0])], []
    for row in map(json.loads, rows[1:]):
        base, command, section, parent, xml, code, *wanted = row
        before = bases[base]
        mine, after = answered(partial(updated, before, command, section, parent, xml))
        if mine != code or (wanted and _change(lines(render(before)), lines(after)) != wanted[0]):
            differing.append((row, mine, after))
    assert differing == []


def _defined(body: str) -> Network:
    return placed(read_definition(network(body)), "virbr0")


def _change(before: list[str], after: list[str]) -> list[str]:
    delta = difflib.unified_diff(before, after, lineterm="", n=0)
    return [each for each in delta if not each.startswith(("---", "+++", "@@"))]


STRICTER = {
    "<bridge name='a b'/>": 27,
    "<bridge name='x/y'/>": 27,
    "<bridge name='aaaaaaaaaaaaaaaaaaaaaaaa'/>": 27,
    "<bridge name='b' stp='x'/>": 27,
    "<mtu size='67'/>": 27,
    "<mtu size='-1'/>": 27,
    "<mac/>": 27,
    "<domain name='a b'/>": 27,
    "<domain name='a' register='yes'/>": 67,
    "<portgroup name='a' default='x'/>": 27,
    "<ip family='ipv6' address='fe80::1%lo' prefix='64'/>": 27,
    "<ip address='10.0.0.1' netmask='255.0.255.0'/>": 67,
    "<ip address='224.0.0.1' prefix='24'/>": 27,
    "<ip address='0.0.0.0' prefix='24'/>": 27,
    "<ip address='10.0.0.1'><tftp root='a'/></ip>": 27,
    "<dns><txt name='a' value='b&#10;c'/></dns>": 27,
    "<dns><srv service='' protocol='udp'/></dns>": 27,
    "<forward mode='bridge'><interface dev='a'/><address type='pci' bus='3'/></forward>": 67,
    "<forward mode='bridge' managed='x'><pf dev='a'/></forward>": 27,
}
"""What libvirt accepts, and then starts not, starts wrongly, or reads as something else."""


@pytest.mark.parametrize(("body", "code"), STRICTER.items(), ids=STRICTER.keys())
def test_what_would_not_work_is_refused_at_once(body: str, code: int) -> None:
    """With the path and line of what is wrong, and what would be accepted."""
    with pytest.raises(libvirtError) as error:
        read_definition(network(body))
    assert error.value.get_error_code() == code
    assert "/network" in str(error.value)
    assert "line 1" in str(error.value)


WIDER = (
    "<forward mode='nat'/><ip address='10.0.0.1' prefix='24'/><vlan><tag id='3'/></vlan>",
    "<forward mode='bridge'/><bridge name='brx'/><vlan><tag id='3'/></vlan>",
    "<portgroup name='a'><vlan><tag id='1'/></vlan></portgroup>",
)


@pytest.mark.parametrize("body", WIDER)
def test_vlans_are_accepted_where_the_bridge_can_tell_them_apart(body: str) -> None:
    """A bridge of Linux can, which libvirt 9 did not use."""
    assert "<vlan>" in render(read_definition(network(body)))


@pytest.mark.parametrize("mode", ["private", "vepa"])
def test_vlans_are_refused_where_nothing_can_tell_them_apart(mode: str) -> None:
    """A macvtap passes frames as they are."""
    with pytest.raises(libvirtError, match="doesn't support vlan"):
        read_definition(network(f"<forward mode='{mode}'/><vlan><tag id='3'/></vlan>"))


def test_bootp_without_ranges_is_not_forgotten() -> None:
    """libvirt 9 writes no <dhcp> without ranges and hosts, so a second reading lost it."""
    dhcp = "<dhcp><bootp file='pxe' server='10.0.0.9'/></dhcp>"
    text = render(read_definition(network(f"<ip address='10.0.0.1' prefix='24'>{dhcp}</ip>")))
    assert "<bootp file='pxe' server='10.0.0.9'/>" in text
    assert render(read_network(text)) == text
