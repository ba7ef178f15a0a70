"""Network cards on QEMU's user network: the card's options, the network behind it, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from described import RUN, defined
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.parts import Device, Net, Netdev, compile
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError

TEXT = (
    "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os><devices>"
    "<interface type='user'><mac address='52:54:00:00:00:01'/>{}</interface></devices></domain>"
)

USUAL = {"netdev": "hostnet0", "mac": "52:54:00:00:00:01"}


def made(inner: str, caps: Capabilities) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Properties of the network, driver of the card, properties of the card beyond the usual."""
    parts = compile(defined(TEXT.format(inner), caps), caps, RUN)
    (network,) = [part for part in parts if isinstance(part, Netdev)]
    (card,) = [part for part in parts if isinstance(part, Device) and part.id == "net0"]
    more = {key: value for key, value in card.props.items() if key not in {*USUAL, "bus", "addr"}}
    assert {key: card.props[key] for key in USUAL} == USUAL
    return dict(network.props), card.driver, more


CARDS = {
    "": ("rtl8139", {}),
    "<model type='e1000'/><driver queues='4'/>": ("e1000", {}),
    "<model type='virtio-transitional'/>": ("virtio-net-pci-transitional", {}),
    "<model type='virtio'/><driver txmode='iothread' event_idx='off' rx_queue_size='512' packed='on'/>": (
        "virtio-net-pci",
        {"tx": "bh", "event_idx": False, "rx_queue_size": 512, "packed": True},
    ),
    "<model type='virtio'/><driver><host gso='off' mrg_rxbuf='off'/><guest csum='off'/></driver>": (
        "virtio-net-pci",
        {"gso": False, "mrg_rxbuf": False, "guest_csum": False},
    ),
    "<model type='virtio'/><boot order='3'/><rom bar='off' file='/r'/><acpi index='7'/>": (
        "virtio-net-pci",
        {"bootindex": 3, "rombar": 0, "romfile": "/r", "acpi-index": 7},
    ),
    "<rom enabled='no'/>": ("rtl8139", {"romfile": ""}),
}


@pytest.mark.parametrize(("inner", "expected"), CARDS.items())
def test_card_has_the_options_of_its_kind(inner: str, expected: Any, caps: Capabilities) -> None:
    """Virtio's options reach virtio cards only; boot order, ROM and ACPI index any card."""
    assert made(inner, caps)[1:] == expected


def test_card_of_usb_is_at_a_port_of_usb(caps: Capabilities) -> None:
    """Its QEMU refuses it on PCI."""
    known = structs.replace(caps, devices=frozenset({*caps.devices, "usb-net"}))
    assert made("<model type='usb-net'/>", known)[1:] == ("usb-net", {"port": "1"})


def test_guest_gets_the_network_that_is_asked_for(caps: Capabilities) -> None:
    """One IPv4 and one IPv6 network behind QEMU's router."""
    ips = (
        "<ip address='172.17.2.0' family='ipv4' prefix='24'/>"
        "<ip address='2001:db8::' family='ipv6' prefix='64'/>"
    )
    expected = {"net": "172.17.2.0/24", "ipv6-prefix": "2001:db8::", "ipv6-prefixlen": 64}
    assert made(ips, caps)[0] == expected


HOST_SIDES = {
    "user'><portForward proto='tcp' address='127.0.0.1'><range start='2000' end='2002' to='80'/>"
    "<range start='2001' exclude='yes'/></portForward>": (
        "user",
        {"hostfwd": [{"str": "tcp:127.0.0.1:2000-:80"}, {"str": "tcp:127.0.0.1:2002-:82"}]},
    ),
    "network'><source network='n'/>": ("tap", {"fd": "12"}),
    "bridge'><source bridge='b'/><driver queues='2'/><model type='virtio'/><tune><sndbuf>9</sndbuf></tune>": (
        "tap",
        {"fds": "12:13", "vhost": True, "vhostfds": "14:15", "sndbuf": 9},
    ),
    "network'><source network='switch'/>": (
        "dgram",
        {"local": {"type": "unix", "path": "/l"}, "remote": {"type": "unix", "path": "/r"}},
    ),
    "user'><backend type='passt'/>": ("stream", {"addr": {"type": "fd", "str": "12"}, "server": False}),
    "udp'><source address='1.2.3.4' port='5'><local address='127.0.0.1' port='6'/></source>": (
        "socket",
        {"udp": "1.2.3.4:5", "localaddr": "127.0.0.1:6"},
    ),
    "mcast'><source address='230.0.0.1' port='5'/>": ("socket", {"mcast": "230.0.0.1:5"}),
    "server'><source port='5'/>": ("socket", {"listen": ":5"}),
    "client'><source address='1.2.3.4' port='5'/>": ("socket", {"connect": "1.2.3.4:5"}),
    "vhostuser'><source type='unix' path='/v' mode='client'/><model type='virtio'/><driver queues='3'/>": (
        "vhost-user",
        {"chardev": "charnet0", "queues": 3},
    ),
}
NETS = {
    "tap": Net(fds=("12",)),
    "taps": Net(fds=("12", "13"), vhost_fds=("14", "15")),
    "dgram": Net(local="/l", remote="/r"),
}


@pytest.mark.parametrize(("inner", "expected"), HOST_SIDES.items())
def test_host_side_is_that_of_the_type(inner: str, expected: Any, caps: Capabilities) -> None:
    """Taps and programs by descriptors, one a queue; the unprivileged switch and tunnels by address."""
    net = NETS["dgram" if "switch" in inner else "taps" if "queues='2'" in inner else "tap"]
    kind, _, more = inner.partition("'>")
    domain = defined(TEXT.replace("'user'", f"'{kind}'").format(more), caps)
    parts = compile(domain, caps, replace(RUN, nets={"net0": net}))
    (network,) = [part for part in parts if isinstance(part, Netdev)]
    assert (network.type, dict(network.props)) == expected
    if "queues" in inner:
        (card,) = [part for part in parts if isinstance(part, Device) and part.id == "net0"]
        queues = 2 if "queues='2'" in inner else 3
        assert (card.props["mq"], card.props["vectors"]) == (True, 2 * queues + 2)


def test_port_of_the_switch_needs_no_descriptor_and_a_tap_without_run_shows_none(caps: Capabilities) -> None:
    """A command line that is only shown has as many descriptors as queues."""
    inner = "<source bridge='b'/><model type='virtio'/><driver queues='3'/>"
    domain = defined(TEXT.replace("'user'", "'bridge'").format(inner), caps)
    (network,) = [part for part in compile(domain, caps, RUN) if isinstance(part, Netdev)]
    assert dict(network.props) == {"fds": "-1:-1:-1"}


REFUSED = {
    "<model type='foo'/>": (67, "no network card 'foo'"),
    "<mtu size='1400'/>": (67, "setting MTU"),
    "<link state='x'/>": (67, "expected one of: up, down"),
    "<ip address='x'/>": (27, "Invalid address 'x'"),
    "<ip address='1.2.3.4' prefix='99'/>": (27, "Invalid prefix value '99'"),
    "<ip address='1.2.3.4' family='ipv6'/>": (27, "one of family ipv6"),
    "<ip address='1.2.3.4'/><ip address='1.2.3.5'/>": (67, "Only one IPv4 address"),
    "<model type='virtio'/><driver rx_queue_size='100'/>": (67, "power of two"),
    "<boot order='0'/>": (27, "from 1"),
    "<backend type='vde'/>": (27, "expected one of: passt"),
    "<driver queues='2'/><virtualport type='openvswitch'/>": (67, "unsupported for <interface type='user'>"),
    "<port isolated='yes'/>": (67, "<port isolated='yes'/> is not supported"),
    "<coalesce><rx><frames max='7'/></rx></coalesce>": (67, "coalesce settings on interface type user"),
    "<route address='10.0.0.0' prefix='8' gateway='10.0.0.1'/>": (67, "guest-side IP route"),
    "<bandwidth><inbound average='1' floor='2'/></bandwidth>": (67, "floor attribute is not supported"),
    "<bandwidth><outbound peak='1'/></bandwidth>": (35, "Missing mandatory average"),
    "<bandwidth><inbound/></bandwidth>": (35, "Missing mandatory average"),
    "<bandwidth classID='1'><inbound average='1'/></bandwidth>": (67, "classID"),
    "<coalesce><rx><frames max='0'/></rx></coalesce>": (67, "coalesce settings on interface type user"),
    "<driver packed='off'/>": (67, "packed driver option is only supported for virtio devices"),
    "<model type='virtio'/><driver name='vfio'/>": (27, "expected one of: qemu, vhost"),
    "<model type='a b'/>": (8, "letters, digits"),
    "<rom enabled='no' bar='on'/>": (67, "ROM tuning is not supported when ROM is disabled"),
    "<target dev='tap7' managed='no'/>": (67, "unmanaged target dev is not supported"),
    "<teaming type='transient' persistent='ua-a'/>": (67, "must be type='hostdev'"),
    "<model type='virtio'/><teaming type='persistent' persistent='ua-a'/>": (67, "not allowed if"),
    "<vlan trunk='no'><tag id='1' nativeMode='tagged'/></vlan>": (27, "with a native vlan id"),
    "<vlan><tag id='1' nativeMode='tagged'/><tag id='2' nativeMode='tagged'/></vlan>": (
        27,
        "duplicate native",
    ),
    "<ip address='1.2.3.4' peer='fd00::1'/>": (8, "Invalid peer 'fd00::1'"),
    "<ip address='1.2.3.4' peer='1.2.3.5'/>": (67, "peers are not supported"),
    "<route address='10.0.0.1' prefix='8' gateway='10.0.0.1'/>": (27, "is not a network address"),
    "<route address='10.0.0.0' gateway='10.0.0.1'/>": (27, "is not a network address"),
    "<route address='10.0.0.0' prefix='33' gateway='10.0.0.1'/>": (27, "must be 0 - 32"),
    "<route address='fd00::' prefix='8' gateway='fd00::1'/>": (27, "No family specified for non-IPv4"),
    "<route family='ipv6' address='10.0.0.0' prefix='8' gateway='fd00::1'/>": (27, "non-IPv6 address"),
    "<route address='10.0.0.0' netmask='x' gateway='10.0.0.1'/>": (27, "Bad netmask address 'x'"),
    "<route address='10.0.0.0' netmask='255.0.0.0' prefix='8' gateway='10.0.0.1'/>": (27, "both a prefix"),
    "<route address='10.0.0.0' prefix='8' gateway='x'/>": (27, "Bad gateway address 'x'"),
    "<vlan><tag id='4096'/></vlan>": (27, "vlan tag id 4096 too large"),
    "<vlan/>": (27, "missing tag id"),
    "<teaming type='persistent'/>": (67, "not 'rtl8139'"),
    "<teaming type='transient'/>": (67, "persistent attribute must be set"),
    "<portForward proto='sctp'/>": (27, "expected one of: tcp, udp"),
    "<portForward proto='tcp'/>": (67, "needs <backend type='passt'/>"),
    "<portForward proto='tcp' address='x'><range start='1'/></portForward>": (27, "Invalid address 'x'"),
    "<portForward proto='tcp' address='::1'><range start='1'/></portForward>": (67, "needs <backend"),
    "<portForward proto='tcp'><range start='9' end='8'/></portForward>": (27, "no end before it"),
    "<portForward proto='tcp'><range start='9' end='10' to='65535'/></portForward>": (27, "1 to 65535"),
    "<portForward proto='tcp'><range start='1' end='2000'/></portForward>": (67, "takes 1000"),
}


@pytest.mark.parametrize(("inner", "expected"), REFUSED.items())
def test_what_a_user_network_cannot_do_is_refused(
    inner: str, expected: tuple[int, str], caps: Capabilities
) -> None:
    """With libvirt's code, and words that say what would be accepted."""
    with pytest.raises(libvirtError) as refused:
        made(inner, caps)
    assert refused.value.get_error_code() == expected[0]
    assert expected[1] in str(refused.value)


SAID = {
    "<model type='E1000'/>": "<model type='e1000'/>",
    "<driver name='vfio'/>": "",
    "<link/><script/><downscript path=''/><teaming/><rom/><guest dev=''/><acpi/>": "",
    "<model type='virtio'/><driver rx_queue_size='0'><host/></driver>": "<model type='virtio'/>",
    "<ip address='10.0.0.1' prefix='0'/>": "<ip address='10.0.0.1' family='ipv4'/>",
    "<ip address='FD00:0::1'/>": "<ip address='fd00::1' family='ipv6'/>",
    "<bandwidth/>": "",
    "<vlan trunk='no'><tag id='1'/></vlan>": "<vlan><tag id='1'/></vlan>",
}


@pytest.mark.parametrize(("inner", "same"), SAID.items())
def test_what_says_nothing_is_left_out_of_a_card(inner: str, same: str, caps: Capabilities) -> None:
    """A definition has words, addresses and models in libvirt's spelling, and no empty elements."""
    assert shown(inner, caps) == shown(same, caps)


def shown(inner: str, caps: Capabilities, kind: str = "user") -> str:
    """The card's XML after a define."""
    (card,) = defined(TEXT.replace("'user'", f"'{kind}'").format(inner), caps).devices.interfaces
    return render(card)


FILTER = "<source bridge='b'/><filterref filter='f'><parameter name='A' value='{}'/></filterref>"


def test_parameter_of_a_filter_that_cannot_be_a_value_is_dropped(caps: Capabilities) -> None:
    """As by libvirt, which keeps the others."""
    assert "<parameter name='A' value='10.0.0.1'/>" in shown(FILTER.format("10.0.0.1"), caps, "bridge")
    assert "<parameter" not in shown(FILTER.format("a b"), caps, "bridge")


PORTS = {
    "<virtualport type='802.1Qbg'><parameters profileid='a'/></virtualport>": "extra profileid",
    "<virtualport type='802.1Qbh'><parameters managerid='1' profileid='a'/></virtualport>": "extra managerid",
    "<virtualport type='802.1Qbh'/>": "missing profileid",
    "<virtualport/>": "missing required virtualport type",
}


@pytest.mark.parametrize(("inner", "expected"), PORTS.items())
def test_virtual_port_has_the_parameters_of_its_type(inner: str, expected: str, caps: Capabilities) -> None:
    """Those that it cannot have are refused, those that it lacks too."""
    with pytest.raises(libvirtError, match=expected) as refused:
        shown(f"<source bridge='b'/>{inner}", caps, "bridge")
    assert refused.value.get_error_code() == 27


def test_network_may_know_what_a_virtual_port_lacks(caps: Capabilities) -> None:
    """Of type network only an id is made up that nobody gave; numbers may be hexadecimal."""
    port = "<virtualport type='802.1Qbg'><parameters managerid='0xb'/></virtualport>"
    text = shown(f"<source network='n'/>{port}", caps, "network")
    assert "<parameters managerid='11' instanceid='" in text


UNIX = "<model type='virtio'/><source type='unix' path='/a' mode='{}'><reconnect {}/></source>"


def test_vhost_user_that_connects_again_says_when(caps: Capabilities) -> None:
    """A time is needed for it, and none without it; who listens does not connect again."""
    assert "<reconnect enabled='no'/>" in shown(
        UNIX.format("server", "enabled='no' timeout='3'"), caps, "vhostuser"
    )
    assert "<reconnect" not in shown(UNIX.format("client", "timeout='3'"), caps, "vhostuser")
    with pytest.raises(libvirtError, match="'timeout' in element 'reconnect'") as refused:
        shown(UNIX.format("client", "enabled='yes'"), caps, "vhostuser")
    assert refused.value.get_error_code() == 27
