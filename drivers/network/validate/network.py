"""Rules within the XML of a network, as libvirt has them while it reads."""

from __future__ import annotations

import errno
import os

from embervirt.drivers.network.errors import NetworkInternal, NetworkSystemError, NetworkXml, NetworkXmlDetail
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.validate.addresses import check_addresses
from embervirt.drivers.network.validate.dns import check_dns
from embervirt.drivers.network.validate.forward import check_forward
from embervirt.drivers.network.validate.places import Places
from embervirt.drivers.network.validate.traffic import check_traffic
from embervirt.drivers.xml import MissingName

LONGEST = 255
"""Bytes of a file's name (NAME_MAX)."""


def validate_network(network: Network, at: Places | None = None) -> None:
    """Rules of a completed network; ``at``: its document, so that errors can say the line.

    Raises NetworkXml, NetworkXmlDetail, NetworkUnsupported, NetworkInternal, NetworkSystemError, MissingName.
    """
    at = at or Places()
    _name(network.name)
    _link(network, at)
    check_traffic(network, at)
    check_dns(network, at)
    check_addresses(network, at)
    check_forward(network, at)
    if network.valueless_options:
        raise NetworkInternal(f"No dnsmasq options value specified in network '{network.name}'")


def _name(name: str | None) -> None:
    """A file has it."""
    if not name:
        raise MissingName("expected <name>...</name> in <network>")
    for bad in "/\n":
        if bad in name:
            raise NetworkXmlDetail(f"invalid char in name: {bad!r} in {name!r}, which is a file's name")
    length = len(os.fsencode(f"{name}.xml.new"))
    if length > LONGEST:
        what = f"Failed to create file '{name[:40]}...': its name has {length} bytes, at most {LONGEST}"
        raise NetworkSystemError(f"{what}: {os.strerror(errno.ENAMETOOLONG)}", int1=errno.ENAMETOOLONG)


def _link(network: Network, at: Places) -> None:
    mac = network.mac.address if network.mac else "00"
    if int(mac[:2], 16) & 1:
        text = f"Invalid multicast bridge mac address '{mac}' in network '{network.name}'"
        raise NetworkXml(f"{text}: {at('/network/mac')}; expected one whose first byte is even")
