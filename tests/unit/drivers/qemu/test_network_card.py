"""Network cards on QEMU's user network: the card's options, the network behind it, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from described import RUN, defined
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.parts import Device, Netdev, compile
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


def test_guest_gets_the_network_that_is_asked_for(caps: Capabilities) -> None:
    """One IPv4 and one IPv6 network behind QEMU's router."""
    ips = (
        "<ip address='172.17.2.0' family='ipv4' prefix='24'/>"
        "<ip address='2001:db8::' family='ipv6' prefix='64'/>"
    )
    expected = {"net": "172.17.2.0/24", "ipv6-prefix": "2001:db8::", "ipv6-prefixlen": 64}
    assert made(ips, caps)[0] == expected


REFUSED = {
    "<model type='foo'/>": (67, "no network card 'foo'"),
    "<mtu size='1400'/>": (67, "setting MTU"),
    "<link state='x'/>": (67, "expected one of: up, down"),
    "<ip address='x'/>": (27, "Invalid address 'x'"),
    "<ip address='1.2.3.4' prefix='99'/>": (27, "Invalid prefix value '99'"),
    "<ip address='1.2.3.4' family='ipv6'/>": (27, "not of family 'ipv6'"),
    "<ip address='1.2.3.4'/><ip address='1.2.3.5'/>": (67, "Only one IPv4 address"),
    "<model type='virtio'/><driver rx_queue_size='100'/>": (67, "power of two"),
    "<boot order='0'/>": (27, "from 1"),
    "<backend type='passt'/>": (67, "<backend>"),
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
