"""The XML of networks and ports: what is read, what is said when it cannot be, what is kept as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.model import IpCodec, Network, NetworkPort, Route
from embervirt.drivers.network.model.ip import classful
from embervirt.drivers.network.model.traffic import Number
from embervirt.drivers.network.postparse import new_mac, placed, postparse_network
from embervirt.drivers.network.reading import read_definition, read_network, read_port
from embervirt.drivers.xml import SchemaError, parse, render
from embervirt.errors import libvirtError
from hostile import networks, schema

OWNER = "81ff0d90-c91e-6742-64da-4a736edb9aaa"
PORT = "6d6d0d90-c91e-6742-64da-4a736edb9a9b"


def port(body: str = "", *, owner: str = "", mac: str = "<mac address='52:54:00:00:00:09'/>") -> str:
    """A port with all that it must have."""
    whose = owner or f"<owner><name>v</name><uuid>{OWNER}</uuid></owner>"
    return f"<networkport><uuid>{PORT}</uuid>{whose}{mac}{body}</networkport>"


def test_an_unknown_value_says_where_and_what_would_be_accepted() -> None:
    """Path, line, and the words there are."""
    text = "<network>\n <name>n</name>\n <ip address='10.0.0.1'/>\n <bridge stp='maybe'/>\n</network>"
    with pytest.raises(libvirtError) as error:
        read_network(text)
    assert error.value.get_error_code() == 27
    assert str(error.value).endswith(
        "/network/bridge/@stp, line 4: 'maybe' is not accepted; expected one of: on, off"
    )


def test_a_broken_rule_says_where() -> None:
    """Rules across fields know the line of what broke them."""
    text = (
        "<network>\n <name>n</name>\n <ip address='10.0.0.1' prefix='24'>\n  <dhcp>\n"
        "   <range start='10.0.0.2' end='10.0.0.9'/>\n   <range start='10.0.9.2' end='10.0.9.9'/>\n"
        "  </dhcp>\n </ip>\n</network>"
    )
    with pytest.raises(libvirtError, match=r"/network/ip/dhcp/range\[2\], line 6; expected .*10.0.0.0/24"):
        read_network(text)


def test_an_unknown_element_is_dropped_or_refused() -> None:
    """Dropped, but with VALIDATE it is an error that names it."""
    text = "<network><name>n</name><nobody/><bridge name='b' colour='red'/></network>"
    assert "nobody" not in render(read_network(text))
    with pytest.raises(SchemaError, match=r"/network/nobody .*/network/bridge/@colour"):
        read_network(text, strict=True)


def test_metadata_is_kept_as_it_was() -> None:
    """Blanks, comments and prefixes too; a second element of one namespace is nobody's."""
    metadata = "<metadata>\n <a:x xmlns:a='urn:a'> y <!-- z --></a:x>\n</metadata>"
    kept = read_network(f"<network><name>n</name>{metadata}</network>").metadata
    assert kept == metadata.replace("'", '"')
    twice = "<metadata><a:x xmlns:a='urn:a'/><a:y xmlns:a='urn:a'/><plain/></metadata>"
    assert read_network(f"<network><name>n</name>{twice}</network>").metadata == (
        '<metadata><a:x xmlns:a="urn:a"/></metadata>'
    )


def test_options_of_dnsmasq_are_read_under_any_prefix() -> None:
    """And written under libvirt's; what is in other namespaces is nobody's."""
    text = (
        "<network xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>n</name>"
        "<x:y xmlns:x='urn:x'/>"
        "<d:options><d:option value='a=&lt;b&gt;'/><d:option value='c'/></d:options></network>"
    )
    network = read_network(text)
    assert network.options == ("a=<b>", "c")
    assert read_network(render(network)) == network
    assert "urn:x" not in render(network)


@given(st.sampled_from(networks.ALL))
def test_a_valid_network_reads_back_as_it_was(text: str) -> None:
    """What is completed once stays as it is."""
    network = read_network(text)
    assert read_network(render(network)) == network == postparse_network(network)


def test_a_network_with_everything_is_written_as_ever(golden: Callable[[str, str], None]) -> None:
    """In libvirt's order and look."""
    text = "\n".join(render(read_network(each)) for each in networks.GOLDEN)
    golden("network/networks.xml", text)


def test_everything_that_is_declared_stands_in_a_seed() -> None:
    """A new element or attribute needs a valid network that says it, in ``tests/hostile/networks``.

    A class of bandwidth is of a port only.
    """
    said = {each for text in networks.ALL for each in schema.said(parse(Network, text, strict=True))}
    assert schema.declared(Network) - said == {("Bandwidth", "class_id")}
    said = {each for text in networks.PORTS for each in schema.said(parse(NetworkPort, text, strict=True))}
    assert schema.declared(NetworkPort) - said == frozenset()


# What the driver fills in.


def test_a_bridge_gets_a_name_and_an_address_unless_it_has_them() -> None:
    """The address is in QEMU's range and not among those that are taken."""
    network = placed(read_network("<network><name>n</name></network>"), "eb0")
    assert network.bridge_name == "eb0"
    assert network.mac is not None
    assert network.mac.address.startswith("52:54:00:")
    assert placed(network, "eb1", {network.mac.address}) == network
    host = read_network("<network><name>n</name><forward mode='bridge'/><bridge name='br0'/></network>")
    assert placed(host, "eb0") == host


def test_a_template_of_a_name_is_filled_in() -> None:
    """``%d`` in a bridge's name is for the driver to replace."""
    network = read_network("<network><name>n</name><bridge name='b%d'/></network>")
    assert placed(network, "b7").bridge_name == "b7"


def test_a_new_mac_address_is_never_one_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that chance gives is taken here, so it is the second."""
    given = iter((0x000001, 0xABCDEF))
    monkeypatch.setattr("random.getrandbits", lambda bits: next(given))
    assert new_mac({"52:54:00:00:00:01"}) == "52:54:00:ab:cd:ef"


# Addresses and numbers.

SPELLINGS = {
    "10.1": "10.0.0.1",
    "0x0a.1.1.1": "10.1.1.1",
    "010.1.1.1": "8.1.1.1",
    "2001:DB8:0::1": "2001:db8::1",
    "::ffff:1.2.3.4": "::ffff:1.2.3.4",
}


@pytest.mark.parametrize(("text", "wanted"), SPELLINGS.items())
def test_addresses_are_read_in_every_spelling_and_written_in_one(text: str, wanted: str) -> None:
    """As inet_aton(3) and inet_pton(3) read them, as inet_ntop(3) writes them."""
    codec = IpCodec()
    assert codec.encode(codec.decode(text)) == wanted
    assert codec.decode(wanted) == ip_address(wanted)


@pytest.mark.parametrize("text", [" ", "x", "10.0.0.1 ", "10.0.0.256", "1.2.3.4.5", "fe80::1%lo", "::1/64"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """No names, no scopes, no blanks."""
    with pytest.raises(ValueError, match=re.escape(text)):
        IpCodec().decode(text)


@given(st.ip_addresses())
def test_every_address_reads_back(address: object) -> None:
    """Whatever the family."""
    codec = IpCodec()
    assert codec.decode(codec.encode(address)) == address  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "number"), [("0x11", 17), ("017", 15), ("17", 17), ("+3", 3), ("0", 0)])
def test_numbers_are_read_as_c_reads_them(text: str, number: int) -> None:
    """Parameters of virtual ports are hexadecimal with 0x, octal with 0."""
    assert Number(255).decode(text) == number


@pytest.mark.parametrize("text", ["256", "08", "x", "-1", "1.5", " "])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Nor is one that is too large."""
    with pytest.raises(ValueError, match=re.escape(text)):
        Number(255).decode(text)


@pytest.mark.parametrize(
    ("address", "prefix"),
    [("10.0.0.1", 8), ("172.16.0.1", 16), ("192.168.0.1", 24), ("fd00::1", 64), ("0.0.0.0", 0), ("::", 0)],
)
def test_an_address_without_prefix_has_that_of_its_class(address: str, prefix: int) -> None:
    """RFC 791's classes for IPv4, 64 for IPv6, 0 for none."""
    assert classful(ip_address(address)) == prefix


def test_a_subnet_is_known_by_netmask_or_prefix() -> None:
    """Both say the same."""
    one = parse(Route, "<route address='10.9.0.0' netmask='255.255.0.0' gateway='10.0.0.1'/>")
    other = parse(Route, "<route address='10.9.0.0' prefix='16' gateway='10.0.0.1'/>")
    assert str(one.subnet) == str(other.subnet) == "10.9.0.0/16"


# Ports. What libvirt 9's portCreateXML answered.

BAD_PORTS = {
    "no uuid": (port().replace(PORT, ""), 1, "network port has no uuid"),
    "bad uuid": (port().replace(PORT, "x"), 1, "'x' is not accepted"),
    "no owner": (port(owner="<owner/>"), 1, "no owner name"),
    "no owner uuid": (port(owner="<owner><name>v</name></owner>"), 1, "no owner UUID"),
    "no mac": (port(mac=""), 1, "network port has no mac"),
    "plug": (port("<plug type='x'/>"), 27, "'x' is not accepted"),
    "bridge": (port("<plug type='bridge'/>"), 27, "Missing network port bridge name"),
    "network": (port("<plug type='network'/>"), 27, "Missing network port bridge name"),
    "direct": (port("<plug type='direct'/>"), 27, "Missing network port link device name"),
    "mode": (port("<plug type='direct' dev='e' mode='x'/>"), 27, "'x' is not accepted"),
    "hostdev": (port("<plug type='hostdev-pci'/>"), 27, "Missing network port PCI address"),
    "class": (port("<bandwidth classID='x'/>"), 1, "'x' is not accepted"),
    "filters": (port("<rxfilters trustGuest='x'/>"), 27, "'x' is not accepted"),
    "root": ("<foo/>", 27, "expecting root element of 'networkport'"),
    "text": ("x", 35, "networkport_definition"),
}


@pytest.mark.parametrize(("text", "code", "said"), BAD_PORTS.values(), ids=BAD_PORTS.keys())
def test_a_port_that_lacks_something_is_refused(text: str, code: int, said: str) -> None:
    """With libvirt's codes."""
    with pytest.raises(libvirtError, match=said) as error:
        read_port(text)
    assert error.value.get_error_code() == code


@pytest.mark.parametrize("text", networks.PORTS)
def test_a_valid_port_reads_back_as_it_was(text: str) -> None:
    """And says nothing that it did not."""
    complete = read_port(text)
    assert read_port(render(complete)) == complete


def test_a_ports_guaranteed_rate_is_read() -> None:
    """A floor is for one guest; a whole network has none."""
    text = port("<bandwidth><inbound floor='10'/></bandwidth>")
    assert read_port(text).bandwidth is not None
    with pytest.raises(libvirtError, match="floor attribute is not supported for this config"):
        read_definition(
            "<network><name>n</name><bandwidth><inbound average='1' floor='2'/></bandwidth></network>"
        )
