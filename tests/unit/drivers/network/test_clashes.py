"""What clashes within a network, with other networks, and with the host: said with both places."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.model import Network
from embervirt.drivers.network.reading import read_definition, read_network
from embervirt.drivers.network.validate import Places, check_conflicts, check_subnets
from embervirt.errors import libvirtError

OTHER = "00000000-0000-0000-0000-000000000002"


def served(dhcp: str, *, more: str = "", subnet: str = "address='10.0.0.1' prefix='24'") -> str:
    """A network on several lines: <dhcp> begins on the second."""
    return f"<network><name>n</name>\n<ip {subnet}><dhcp>\n{dhcp}\n</dhcp></ip>{more}</network>"


IPV6 = "family='ipv6' address='fd00::1' prefix='64'"
CLASHING = {
    "overlapping ranges": (
        served("<range start='10.0.0.20' end='10.0.0.29'/>\n<range start='10.0.0.10' end='10.0.0.20'/>"),
        "10.0.0.10 - 10.0.0.20 at /network/ip/dhcp/range[2], line 4, and 10.0.0.20 - 10.0.0.29 "
        "at /network/ip/dhcp/range[1], line 3",
    ),
    "one range in another": (
        served(
            "<range start='fd00::10' end='fd00::99'/>\n<range start='fd00::20' end='fd00::20'/>", subnet=IPV6
        ),
        "range[2], line 4, and fd00::10 - fd00::99",
    ),
    "MAC address": (
        served(
            "<host mac='52:54:00:AA:00:01' ip='10.0.0.2'/>\n<host mac='52:54:0:aa:0:1' ip='10.0.0.3'/>",
        ),
        "MAC address '52:54:00:aa:00:01' is given twice in network 'n': /network/ip/dhcp/host[2], "
        "line 4, and /network/ip/dhcp/host[1], line 3",
    ),
    "name": (
        served("<host name='a' ip='10.0.0.2'/>\n<host name='A' ip='10.0.0.3'/>"),
        "host name 'a' is given twice",
    ),
    "IP address": (
        served("<host name='a' ip='10.0.0.2'/>\n<host name='b' ip='10.0.0.2'/>"),
        "IP address 10.0.0.2 is given twice",
    ),
    "id": (
        served("<host id='0:Ab' ip='fd00::2'/>\n<host id='0:aB' ip='fd00::3'/>", subnet=IPV6),
        "id '0:ab' is given twice",
    ),
    "the bridge's own": (
        served("<host name='a' ip='10.0.0.1'/>"),
        "IP address 10.0.0.1 is given twice in network 'n': /network/ip/dhcp/host, line 3, and "
        "/network/ip, line 2",
    ),
    "out of reach": (
        served("<host name='a' ip='10.0.1.2'/>"),
        "10.0.1.2 of a dhcp host is not within network 10.0.0.1/24 of 'n': /network/ip/dhcp/host, line 3",
    ),
    "two addresses": (
        served("", more="<ip address='10.0.0.1' prefix='16'/>"),
        "IP address 10.0.0.1 is given twice in network 'n': /network/ip[2], line 4, and "
        "/network/ip[1], line 2",
    ),
}


@pytest.mark.parametrize(("text", "said"), CLASHING.values(), ids=CLASHING.keys())
def test_a_clash_is_refused_with_both_places(text: str, said: str) -> None:
    """What clashes with what, by path and line; what libvirt wrote so can still be read."""
    with pytest.raises(libvirtError) as error:
        read_definition(text)
    assert said in str(error.value)
    assert error.value.get_error_code() == 67
    assert error.value.get_error_domain() == 19
    assert read_network(text).name == "n"


def test_one_name_in_both_families_is_one_guest() -> None:
    """A guest has an IPv4 and an IPv6 address under one name."""
    hosts = "<host mac='52:54:00:00:00:01' name='a' ip='10.0.0.2'/>"
    more = f"<ip {IPV6}><dhcp><host name='a' ip='fd00::2'/></dhcp></ip>"
    assert read_definition(served(hosts, more=more)).name == "n"


@given(st.lists(st.tuples(st.integers(2, 250), st.integers(0, 20)), min_size=1, max_size=6))
def test_ranges_are_accepted_when_no_address_is_in_two(ranges: list[tuple[int, int]]) -> None:
    """Whatever their order."""
    spans = [(start, min(start + length, 254)) for start, length in ranges]
    apart = all(end < start for (_, end), (start, _) in pairwise(sorted(spans)))
    text = served("".join(f"<range start='10.0.0.{one}' end='10.0.0.{two}'/>" for one, two in spans))
    try:
        read_definition(text)
    except libvirtError as error:
        assert not apart
        assert "overlap" in str(error)
    else:
        assert apart


# Beside other networks.


def network(name: str, number: int, bridge: str = "", *, mode: str = "none") -> Network:
    """One of several."""
    uuid = f"00000000-0000-0000-0000-{number:012}"
    named = f"<bridge name='{bridge}'/>" if bridge else ""
    return read_network(
        f"<network><name>{name}</name><uuid>{uuid}</uuid><forward mode='{mode}'/>{named}</network>"
    )


CONFLICTS = {
    "name": (network("a", 1), network("a", 2), 9, f"network 'a' already exists with uuid {OTHER}"),
    "uuid": (network("b", 2), network("a", 2), 9, f"network 'a' is already defined with uuid {OTHER}"),
    "bridge": (network("a", 1, "br1"), network("b", 2, "br1"), 1, "'br1' already in use by network 'b'"),
    "host's bridge": (
        network("a", 1, "br1"),
        network("b", 2, "br1", mode="bridge"),
        1,
        "'br1' already in use by network 'b'",
    ),
}


@pytest.mark.parametrize(("new", "there", "code", "said"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_network_does_not_take_what_is_anothers(new: Network, there: Network, code: int, said: str) -> None:
    """Name, UUID and bridge are one network's each, with libvirt's codes."""
    with pytest.raises(libvirtError, match=said) as error:
        check_conflicts(new, [network("x", 9, "brx"), there])
    assert error.value.get_error_code() == code


ALLOWED = {
    "an older definition of itself": (network("a", 1, "br1"), network("a", 1, "br1")),
    "a bridge of the host, used by both": (
        network("a", 1, "br1", mode="bridge"),
        network("b", 2, "br1", mode="bridge"),
    ),
    "another's bridge, used and not made": (network("a", 1, "br1", mode="bridge"), network("b", 2, "br1")),
    "no name yet": (network("a", 1), network("b", 2)),
}


@pytest.mark.parametrize(("new", "there"), ALLOWED.values(), ids=ALLOWED.keys())
def test_what_takes_nothing_is_no_conflict(new: Network, there: Network) -> None:
    """It passes, and only because it takes nothing: with another's name it would not."""
    check_conflicts(new, [there])
    with pytest.raises(libvirtError, match="already"):
        check_conflicts(new, [there, network(str(new.name), 7)])


def test_a_subnet_in_use_on_the_host_is_refused() -> None:
    """With the link that has it; the default route is no use of anything."""
    text = served("")
    new = read_network(text)
    given = (("lo", "0.0.0.0/0"), ("lo", "fd00::/8"), ("eth9", "10.0.0.0/8"))
    taken = [(link, ip_network(subnet)) for link, subnet in given]
    check_subnets(new, taken[:2])
    with pytest.raises(libvirtError) as error:
        check_subnets(new, taken, Places(text))
    assert "Network is already in use by interface eth9: 10.0.0.0/8 overlaps 10.0.0.1/24" in str(error.value)
    assert "/network/ip, line 2" in str(error.value)
    assert error.value.get_error_code() == 1
