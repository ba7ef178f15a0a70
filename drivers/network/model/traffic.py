"""What holds for the traffic of a network, port group or port: bandwidth, VLAN, virtual port, isolation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embervirt.drivers.network.errors import NetworkInternal, NetworkUnsupported
from embervirt.drivers.xml import Codec, Element, attr, child, children, choice, integer, uuid, yes_no
from embervirt.errors import XmlError, libvirtError

VIRTUALPORTS = ("802.1Qbg", "802.1Qbh", "openvswitch", "midonet")
_KIB = integer(0, 2**64 - 1, NetworkUnsupported)
_NUMBER = re.compile("[+]?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})")


@dataclass(frozen=True)
class Number(Codec[int]):
    """A number up to ``high`` in C's spelling: decimal, 0x.. hexadecimal, 0.. octal; decimal when written."""

    high: int
    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return f"a number from 0 to {self.high}"

    def decode(self, text: str) -> int:
        digits = text.strip().removeprefix("+")
        if not _NUMBER.fullmatch(digits):
            raise ValueError(text)
        octal = digits.startswith("0") and digits.isdigit()
        number = int(digits, 8) if octal else int(digits, 0)
        if number > self.high:
            raise ValueError(text)
        return number

    def encode(self, value: int) -> str:
        return str(value)


class Rate(Element, tag="rate"):
    """KiB a second on average and at most, KiB at once; ``floor``: KiB a second that are guaranteed."""

    average: int | None = attr("average", _KIB, default=None)
    peak: int | None = attr("peak", _KIB, default=None)
    floor: int | None = attr("floor", _KIB, default=None)
    burst: int | None = attr("burst", _KIB, default=None)


class Bandwidth(Element, tag="bandwidth"):
    """Towards the guests, and from them. ``class_id``: of a port's traffic on its bridge."""

    class_id: int | None = attr("classID", integer(0, 2**32 - 1, NetworkInternal), default=None)
    inbound: Rate | None = child(Rate, "inbound", default=None)
    outbound: Rate | None = child(Rate, "outbound", default=None)


class VlanTag(Element, tag="tag"):
    id: int = attr("id", integer(0, 4095))
    native_mode: str | None = attr("nativeMode", choice("tagged", "untagged"), default=None)


class Vlan(Element, tag="vlan"):
    trunk: bool | None = attr("trunk", yes_no, default=None)
    tags: tuple[VlanTag, ...] = children(VlanTag, default=())


class Parameters(Element, tag="parameters"):
    """Which of them a virtual port has depends on its type."""

    managerid: int | None = attr("managerid", Number(255), default=None)
    typeid: int | None = attr("typeid", Number(0xFFFFFF), default=None)
    typeidversion: int | None = attr("typeidversion", Number(255), default=None)
    instanceid: str | None = attr("instanceid", uuid, default=None)
    interfaceid: str | None = attr("interfaceid", uuid, default=None)
    profileid: str | None = attr("profileid", default=None)


class VirtualPort(Element, tag="virtualport"):
    """How a switch outside, or one that is no Linux bridge, knows the guest."""

    type: str | None = attr(
        "type",
        choice("802.1Qbg", "802.1Qbh", "openvswitch", "midonet", error=NetworkUnsupported),
        default=None,
    )
    parameters: Parameters | None = child(Parameters, default=None)


class PortOptions(Element, tag="port"):
    """``isolated``: guests do not reach each other."""

    isolated: bool | None = attr("isolated", yes_no, default=None)


class PortGroup(Element, tag="portgroup"):
    """What interfaces that name it get."""

    name: str | None = attr("name", default=None)
    default: bool | None = attr("default", yes_no, default=None)
    trust_guest_rx_filters: bool | None = attr("trustGuestRxFilters", yes_no, default=None)
    vlan: Vlan | None = child(Vlan, default=None)
    virtualport: VirtualPort | None = child(VirtualPort, default=None)
    bandwidth: Bandwidth | None = child(Bandwidth, default=None)
