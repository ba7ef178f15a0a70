"""Filters are read, completed and refused as libvirt 9 does, and written as they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.nwfilter.builtin import NAMES, builtin
from embervirt.drivers.network.nwfilter.errors import (
    FilterArgument,
    FilterUnsupported,
    FilterValue,
    FilterXml,
)
from embervirt.drivers.network.nwfilter.protocols import KINDS
from embervirt.drivers.network.nwfilter.reading import read_filter
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

SAMPLES = (
    *("0", "7", "0x33", "65535", "arp", "tcp", "Reply", "1:2:3:4:5:6", "ff:ff:ff:0:0:0", "10.1.2.3", "24"),
    *("255.255.0.0", "FE80::1", "64", "true", "new,established", "syn/all", "src,dst", "name", "$IP"),
    "$A[ @1 ]",
)


def filtered(body: str, head: str = "name='f'") -> str:
    """What a filter is written as, without its UUID."""
    lines = render(read_filter(f"<filter {head}>{body}</filter>")).splitlines()
    return " ".join(line.strip() for line in lines if "<uuid>" not in line)


def condition(protocol: str, attributes: str) -> str:
    """The one element that a condition is written as."""
    written = filtered(f"<rule action='accept' direction='in'><{protocol} {attributes}/></rule>")
    return written.partition("priority='500'> ")[2].partition("/>")[0] + "/>"


@pytest.mark.parametrize(
    ("protocol", "given_attributes", "kept"),
    [
        ("mac", "protocolid='0x800'", "<mac protocolid='ipv4'/>"),
        ("mac", "protocolid='0x600'", "<mac protocolid='0x600'/>"),
        ("arp", "opcode='0x12'", "<arp opcode='18'/>"),
        ("arp", "opcode='7' gratuitous='yes'", "<arp opcode='DRARP_Error' gratuitous='true'/>"),
        ("ip", "protocol='0x11'", "<ip protocol='udp'/>"),
        ("ip", "protocol='0x99'", "<ip protocol='0x99'/>"),
        ("all", "srcipaddr='1.2.3.4' srcipmask='255.255.255.0'", "<all srcipaddr='1.2.3.4' srcipmask='24'/>"),
        ("ipv6", "srcipaddr='FE80::' srcipmask='ffff::'", "<ipv6 srcipaddr='fe80::' srcipmask='16'/>"),
        ("tcp", "state='established,new'", "<tcp state='NEW,ESTABLISHED'/>"),
        ("tcp", "state='NEW,NONE'", "<tcp state='NONE'/>"),
        ("tcp", "flags='ACK,SYN/'", "<tcp flags='SYN,ACK/NONE'/>"),
        ("tcp", "srcportstart='07' dstportstart='0X33'", "<tcp srcportstart='7' dstportstart='0x33'/>"),
        ("tcp", "match='no' dscp='1'", "<tcp match='no' dscp='1'/>"),
        ("tcp", "match='no'", "<tcp/>"),
        ("tcp", "srcipaddr='$A[ @0 ]' srcportstart='$B[ 2 ]'", "<tcp srcipaddr='$A' srcportstart='$B[2]'/>"),
    ],
)
def test_a_value_is_written_as_libvirt_writes_it(protocol: str, given_attributes: str, kept: str) -> None:
    """Names for their numbers, masks as lengths, words in libvirt's order."""
    assert condition(protocol, given_attributes) == kept


@pytest.mark.parametrize(
    ("protocol", "attributes"),
    [
        ("mac", "protocolid='0x5ff'"),
        ("mac", "srcmacaddr='1:2:3:4:5:6' srcmacmask='ff:ff:0:ff:0:0'"),
        ("vlan", "vlanid='4096'"),
        ("arp", "opcode='65536'"),
        ("ip", "dscp='64'"),
        ("ip", "srcipaddr='::1'"),
        ("ip", "srcportstart='80'"),
        ("ip", "protocol='icmp' srcportstart='80'"),
        ("all", "srcipaddr='1.2.3.4' srcipmask='33'"),
        ("all", "srcipaddr='1.2.3.4' srcipmask='255.0.255.0'"),
        ("tcp", "flags='SYN'"),
        ("tcp", "state='FOO'"),
        ("tcp", "srcipaddr='$A-B'"),
        ("tcp", "srcipaddr='$A[x]'"),
        ("tcp", "connlimit-above='0x5'"),
        ("all", "ipset='a b'"),
        ("all", "match='maybe'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(protocol: str, attributes: str) -> None:
    """With libvirt's code and domain; a value of one attribute with its path, line and what is accepted."""
    with pytest.raises(FilterValue) as caught:
        condition(protocol, attributes)
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (1, 33)
    said = str(caught.value)
    assert "requires protocol specification" in said or ("line 1" in said and "expected" in said)


@pytest.mark.parametrize(
    ("head", "error", "words"),
    [
        ("name=''", FilterValue, "filter has no name"),
        ("name='f' chain='foo'", FilterArgument, "Invalid chain name 'foo'"),
        ("name='f' chain='arp-abcdefghijklm'", FilterArgument, "longer than 12"),
        ("name='f' chain='arp-a b'", FilterArgument, "invalid characters"),
        ("name='f' chain='arp' priority='1001'", FilterArgument, "outside valid range"),
        ("name='f' chain='arp' priority='x'", FilterArgument, "Could not parse chain priority 'x'"),
    ],
)
def test_a_head_that_cannot_be_is_refused(head: str, error: type[libvirtError], words: str) -> None:
    """As libvirt says it."""
    with pytest.raises(error, match=words):
        filtered("", head)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("action='ACCEPT' direction='in'", FilterUnsupported),
        ("action='accept' direction='up'", FilterUnsupported),
        ("action='accept' direction='in' priority='1001'", FilterXml),
        ("action='accept' direction='in' statematch='perhaps'", FilterXml),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: str, error: type[libvirtError]) -> None:
    """An unknown word is an error."""
    with pytest.raises(error):
        filtered(f"<rule {rule}/>")


@pytest.mark.parametrize(
    ("chain", "written"),
    [
        ("", "chain='root'"),
        ("chain='ipv4'", "chain='ipv4' priority='-700'"),
        ("chain='mac-x'", "chain='mac-x' priority='-800'"),
        ("chain='stp'", "chain='stp'"),
        ("chain='root' priority='-5'", "chain='root' priority='-5'"),
        ("priority='-5'", "chain='root'"),
    ],
)
def test_a_chain_has_the_priority_of_its_kind(chain: str, written: str) -> None:
    """Unless it says one."""
    assert filtered("", f"name='f' {chain}") == f"<filter name='f' {written}> </filter>"


def test_rules_and_references_stay_in_their_order() -> None:
    """A rule before a reference stays before it; parameters are sorted by name, their lists are not."""
    parameters = "".join(f"<parameter name='{name}' value='{value}'/>" for name, value in ("b2", "a9", "b1"))
    rule = "<rule action='drop' direction='in'/>"
    written = filtered(f"{rule}<filterref filter='x'>{parameters}</filterref>{rule}")
    places = [written.index(word) for word in ("<rule", "<filterref", "value='9'", "value='2'", "value='1'")]
    assert places == sorted(places)
    assert written.rindex("<rule") > written.index("</filterref>")


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_what_is_written_reads_back_as_itself(protocol: str, data: st.DataObject) -> None:
    """Whatever of an attribute's values is accepted."""
    name = data.draw(st.sampled_from(sorted(KINDS[protocol])))
    try:
        first = condition(protocol, f"{name}='{data.draw(st.sampled_from(SAMPLES))}'")
    except FilterValue:
        return
    attributes = first.removeprefix(f"<{protocol}").removesuffix("/>")
    assert condition(protocol, attributes) == first


def test_builtin_filters_include_none_that_is_missing() -> None:
    """There are libvirt's twenty-four."""
    found = [builtin(name) for name in NAMES]
    named = {each.filter for made in found if made for each in made.entries if hasattr(each, "filter")}
    assert len(NAMES) == 24 and named <= set(NAMES)
    assert builtin("no-such-filter") is None
