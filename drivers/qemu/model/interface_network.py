"""What a network card's connection is like: bandwidth, VLANs, virtual port, filter, forwarded ports."""

from __future__ import annotations

from embervirt.drivers.qemu.model.interface_source import PORT
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, integer, uuid, yes_no
from embervirt.drivers.xml.codecs import Integer
from embervirt.errors import ConfigUnsupported, XmlDetail

_KILOBYTES = integer(0, 2**64 - 1, ConfigUnsupported)


class Number(Integer):
    """A number, which may be given in hexadecimal with 0x; it is written in decimal."""

    def decode(self, text: str) -> int:
        return super().decode(str(int(text, 16)) if text[:2] in ("0x", "0X") else text)


_BYTE = Number(0, 255)


class Rate(Element, tag="inbound"):
    """KiB a second, and of ``burst`` KiB; ``floor`` is what is guaranteed, of what comes in."""

    average: int | None = attr("average", _KILOBYTES, default=None)
    peak: int | None = attr("peak", _KILOBYTES, default=None)
    floor: int | None = attr("floor", _KILOBYTES, default=None)
    burst: int | None = attr("burst", _KILOBYTES, default=None)


class Bandwidth(Element, tag="bandwidth", refuse=("@classID",)):
    """``inbound`` is what the guest receives. A class is of a network's port, never of a card."""

    inbound: Rate | None = child(Rate, "inbound", default=None)
    outbound: Rate | None = child(Rate, "outbound", default=None)


class Tag(Element, tag="tag"):
    id: int = attr("id", integer(0, 2**32 - 1))
    native: str | None = attr("nativeMode", choice("tagged", "untagged"), default=None)


class Vlan(Element, tag="vlan"):
    """``trunk``: also said by having several tags."""

    trunk: bool | None = attr("trunk", yes_no, default=None)
    tags: tuple[Tag, ...] = children(Tag, default=())


class PortParameters(Element, tag="parameters"):
    managerid: int | None = attr("managerid", _BYTE, default=None)
    typeid: int | None = attr("typeid", Number(0, 2**24 - 1), default=None)
    typeidversion: int | None = attr("typeidversion", _BYTE, default=None)
    instanceid: str | None = attr("instanceid", uuid, default=None)
    interfaceid: str | None = attr("interfaceid", uuid, default=None)
    profileid: str | None = attr("profileid", Text(".{0,39}", "up to 39 characters"), default=None)


class VirtualPort(Element, tag="virtualport"):
    type: str | None = attr(
        "type",
        choice("802.1Qbg", "802.1Qbh", "openvswitch", "midonet", error=ConfigUnsupported),
        default=None,
    )
    parameters: PortParameters | None = child(PortParameters, default=None)


class FilterParameter(Element, tag="parameter"):
    """One that lacks either is dropped, as by libvirt."""

    name: str | None = attr("name", default=None)
    value: str | None = attr("value", default=None)


class FilterRef(Element, tag="filterref"):
    filter: str | None = attr("filter", default=None)
    parameters: tuple[FilterParameter, ...] = children(FilterParameter, default=())


class PortRange(Element, tag="range"):
    """Ports of the host; ``to`` is the guest's first, if that is another. ``exclude``: not these."""

    start: int = attr("start", PORT)
    end: int | None = attr("end", PORT, default=None)
    to: int | None = attr("to", PORT, default=None)
    exclude: bool | None = attr("exclude", yes_no, default=None)


class PortForward(Element, tag="portForward"):
    """Ports of the host that lead to the guest's; without ranges, all. ``address``: of the host."""

    proto: str = attr("proto", choice("tcp", "udp"))
    address: str | None = attr("address", default=None)
    dev: str | None = attr("dev", default=None)
    ranges: tuple[PortRange, ...] = children(PortRange, default=())


class InterfaceBackend(Element, tag="backend"):
    """``type`` passt: a program of that name in QEMU's place; others say which device files are used."""

    type: str | None = attr("type", choice("passt"), default=None)
    tap: str | None = attr("tap", default=None)
    vhost: str | None = attr("vhost", default=None)
    log_file: str | None = attr("logFile", default=None)


class Frames(Element, tag="frames"):
    max: int | None = attr("max", integer(0, 2**32 - 1, XmlDetail), default=None)


class Receive(Element, tag="rx"):
    frames: Frames | None = child(Frames, default=None)


class Coalesce(Element, tag="coalesce"):
    """How many frames the host's side gathers."""

    rx: Receive | None = child(Receive, default=None)
