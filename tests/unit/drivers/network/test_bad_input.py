"""Whatever the XML of a network, port or update says, the answer is a network or a libvirtError."""

from __future__ import annotations

import re
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embervirt.drivers.network.model import Network
from embervirt.drivers.network.postparse import placed, postparse_network
from embervirt.drivers.network.reading import read_definition, read_network, read_port
from embervirt.drivers.network.updating import updated
from embervirt.drivers.network.validate import check_conflicts, validate_definition, validate_network
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError
from hostile import networks
from hostile.examples import examples
from hostile.mutations import damaged, mutated

SOON = 5.0
"""Seconds of the processor that no document takes, whatever its size; most take milliseconds."""

CHANCE = st.randoms(use_true_random=False)


def assert_said_well(error: libvirtError) -> None:
    """libvirt's code, and words."""
    assert error.get_error_code() is not None
    assert error.get_error_message()


def assert_stable(network: Network) -> None:
    """It reads back as it is, is complete, and passes again."""
    written = render(network)
    assert read_network(written) == network == postparse_network(network)
    validate_network(network)


def assert_read_or_refused(text: str) -> None:
    """What was accepted is stable, and what is a definition stays one when it is placed."""
    try:
        network = read_network(text)
    except libvirtError as error:
        assert_said_well(error)
        return
    assert_stable(network)
    try:
        accepted = placed(read_definition(text), "eb0")
    except libvirtError as error:
        assert_said_well(error)
        return
    validate_definition(accepted)
    check_conflicts(accepted, [accepted])
    assert_stable(accepted)
    if not accepted.metadata:
        assert not re.search("[\x00-\x09\x0b-\x1f]", render(accepted))


@settings(max_examples=examples(100))
@given(st.sampled_from(networks.ALL), CHANCE)
def test_a_mutated_network_is_read_or_refused(valid: str, random: Random) -> None:
    """Changes to the tree of a valid network end in libvirtError or in a network that reads back the same."""
    assert_read_or_refused(mutated(valid, random))


@settings(max_examples=examples(40))
@given(st.sampled_from(networks.ALL), CHANCE)
def test_a_damaged_text_is_read_or_refused(valid: str, random: Random) -> None:
    """So do changes to its characters."""
    assert_read_or_refused(damaged(valid, random))


@settings(max_examples=examples(40))
@given(st.sampled_from(networks.PORTS), CHANCE)
def test_a_mutated_port_is_read_or_refused(valid: str, random: Random) -> None:
    """So it is for ports."""
    try:
        port = read_port(mutated(valid, random))
    except libvirtError as error:
        assert_said_well(error)
        return
    assert read_port(render(port)) == port


BASES = tuple(read_network(text) for text in networks.ALL)


@settings(max_examples=examples(100))
@given(
    st.sampled_from(BASES),
    st.sampled_from([(section, xml) for section, texts in networks.UPDATES.items() for xml in texts]),
    st.integers(0, 5),
    st.integers(-1, 13),
    st.integers(-2, 3),
    CHANCE,
)
def test_a_mutated_update_is_served_or_refused(
    base: Network, valid: tuple[int, str], command: int, section: int, parent: int, random: Random
) -> None:
    """Every command in every section, with whatever XML; the network before it stays as it was."""
    before = render(base)
    own, xml = valid
    text = mutated(xml, random, most=2) if random.random() < 0.7 else xml
    try:
        after = updated(base, command, own if random.random() < 0.8 else section, parent, text)
    except libvirtError as error:
        assert_said_well(error)
    else:
        assert_stable(after)
        validate_definition(after)
    assert render(base) == before


MANY = {
    "ranges": networks.network(
        "<ip address='10.0.0.1' prefix='8'><dhcp>"
        + "".join(
            f"<range start='10.1.{n >> 8}.{n & 255}' end='10.1.{n >> 8}.{n & 255}'/>" for n in range(2000)
        )
        + "</dhcp></ip>"
    ),
    "hosts": networks.network(
        "<ip address='10.0.0.1' prefix='8'><dhcp>"
        + "".join(f"<host name='h{n}' ip='10.1.{n >> 8}.{n & 255}'/>" for n in range(2000))
        + "</dhcp></ip>"
    ),
    "interfaces": networks.network(
        "<forward mode='bridge'>" + "".join(f"<interface dev='e{n}'/>" for n in range(2000)) + "</forward>"
    ),
    "port groups": networks.network("".join(f"<portgroup name='p{n}'/>" for n in range(2000))),
    "same hosts": networks.network(
        "<ip address='10.0.0.1'><dhcp>" + "<host name='h' ip='10.0.0.2'/>" * 2000 + "</dhcp></ip>"
    ),
    "lease": networks.network(
        "<ip address='10.0.0.1'><dhcp><range start='10.0.0.2' end='10.9.9.9'><lease "
        "expiry='18446744073709551615' unit='hours'/></range></dhcp></ip>"
    ),
    "large subnet": networks.network(
        "<ip family='ipv6' address='fd00::1' prefix='1'><dhcp><range start='fd00::2' end='fd00::ffff'/>"
        "</dhcp></ip>"
    ),
    "depth": "<network>" * 100000,
    "entities": "<!DOCTYPE d [<!ENTITY a 'aaaa'>]><network><name>&a;</name></network>",
    "long name": networks.network(name="n" * 300),
    "long option": networks.network(
        f"<dnsmasq:options><dnsmasq:option value='{'x' * 1000000}'/></dnsmasq:options>",
        " xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'",
    ),
}


@pytest.mark.parametrize("text", MANY.values(), ids=MANY.keys())
def test_much_of_a_kind_is_soon_answered(text: str) -> None:
    """Thousands take a moment, and not one that grows with their square."""
    begun = time.process_time()
    assert_read_or_refused(text)
    assert time.process_time() - begun < SOON


SMUGGLED = (
    "<domain name='d&#10;dhcp-script=/bin/x'/>",
    "<dns><txt name='t' value='v&#10;conf-file=/x'/></dns>",
    "<dns><srv service='s' protocol='tcp,x'/></dns>",
    "<dns><forwarder domain='a/1.2.3.4#' addr='1.1.1.1'/></dns>",
    "<dns><host ip='10.0.0.9'><hostname>a b</hostname></host></dns>",
    "<ip address='10.0.0.1'><dhcp><host name='a,infinite' ip='10.0.0.2'/></dhcp></ip>",
    "<ip address='10.0.0.1'><dhcp><bootp file='a,1.2.3.4'/></dhcp></ip>",
    "<ip address='10.0.0.1'><tftp root='/a&#13;user=root'/></ip>",
    "<portgroup name='a&#10;b'/>",
)


@pytest.mark.parametrize("body", SMUGGLED)
def test_no_text_becomes_a_line_or_field_of_its_own(body: str) -> None:
    """What goes into dnsmasq's files is one word there, or it is refused."""
    with pytest.raises(libvirtError, match="not accepted") as error:
        read_definition(networks.network(body))
    assert error.value.get_error_code() == 27
