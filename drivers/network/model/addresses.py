"""IP, MAC and PCI addresses as a network's XML writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.xml import Codec, Element, attr, choice, hexadecimal, ip
from embervirt.drivers.xml.ip import Address
from embervirt.errors import XmlError, libvirtError

_IPV4 = re.compile("(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,12})(?:[.](?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,12})){0,3}")


@dataclass(frozen=True)
class IpCodec(Codec[Address]):
    """An IPv4 or IPv6 address without a scope; IPv4 in every form that inet_aton(3) knows, as in libvirt."""

    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return "an IPv4 or IPv6 address such as 192.168.122.1 or 2001:db8::1"

    def decode(self, text: str) -> Address:
        if ":" not in text and not _IPV4.fullmatch(text):
            raise ValueError(text)
        return ip.decode(text)

    def encode(self, value: Address) -> str:
        return ip.encode(value)


class PciAddress(Element, tag="address"):
    """A device of the host."""

    type: str = attr("type", choice("pci", error=NetworkUnsupported))
    domain: int = attr("domain", hexadecimal(0xFFFF, 4), default=0)
    bus: int = attr("bus", hexadecimal(0xFF, 2), default=0)
    slot: int = attr("slot", hexadecimal(0x1F, 2), default=0)
    function: int = attr("function", hexadecimal(7), default=0)

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function:x}"
