"""Lines of dnsmasq's file of leases as libvirt-python's dictionaries."""

from __future__ import annotations

from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.service.leases import parsed

NETWORK = read_network(
    "<network><name>n</name><ip address='10.7.7.1' prefix='24'/>"
    "<ip family='ipv6' address='fd00:7::1' prefix='64'/></network>"
)
FILE = """\
1700000000 52:54:00:11:11:11 10.7.7.5 five 01:52:54:00:11:11:11
0 06-52:54:00:22:22:22 10.8.8.8 * *
duid 00:01:00:01:2e:aa:bb:cc:52:54:00:99:99:99
1700000001 7648357 fd00:7::5 six 00:03:00:01:52:54:00:33:33:33
1700000002 T99 fd00:7::6 * 00:02:00:00:ab:11:01
half a li
"""


def test_each_line_is_a_lease_with_what_is_known() -> None:
    """Of IPv6 the MAC address is taken from the client's DUID, where that is made from one."""
    four, odd, six, other = parsed(FILE, NETWORK, "br0")
    assert four == {
        "iface": "br0", "expirytime": 1700000000, "type": 0, "mac": "52:54:00:11:11:11", "iaid": None,
        "ipaddr": "10.7.7.5", "prefix": 24, "hostname": "five", "clientid": "01:52:54:00:11:11:11",
    }  # fmt: skip
    assert (odd["mac"], odd["prefix"], odd["hostname"], odd["clientid"]) == (
        "52:54:00:22:22:22",
        0,
        None,
        None,
    )
    assert (six["type"], six["mac"], six["iaid"], six["prefix"]) == (1, "52:54:00:33:33:33", "7648357", 64)
    assert (other["mac"], other["iaid"], other["hostname"]) == (None, "99", None)
