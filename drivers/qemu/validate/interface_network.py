"""What a network card's connection can be, by its type."""

from __future__ import annotations

from ipaddress import ip_address

from embervirt.drivers.qemu.errors import VIR_FROM_DOM
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_network import PortForward, PortParameters, PortRange
from embervirt.errors import ConfigUnsupported, XmlDetail, XmlError

HIGHEST_TAG = 4095
VIRTUAL_PORTS = ("network", "bridge", "direct")
ISOLATED = ("network", "bridge")
NEEDED = {
    "802.1Qbg": ("managerid", "typeid", "typeidversion"),
    "802.1Qbh": ("profileid",),
    "midonet": ("interfaceid",),
}
"""Parameters of a virtual port that nobody can make up; a network may know them."""

HAVE = {
    "802.1Qbg": ("managerid", "typeid", "typeidversion", "instanceid"),
    "802.1Qbh": ("profileid",),
    "openvswitch": ("interfaceid", "profileid"),
}
"""Parameters that a virtual port can have; of other types nobody minds what is said."""

MOST_FORWARDS = 1000
"""Ports that a guest on QEMU's user network can have, each a listening socket of QEMU's."""


def check(interface: Interface) -> None:
    """Raises XmlError, ConfigUnsupported."""
    _bandwidth(interface)
    _vlan(interface)
    _virtual_port(interface)
    _forwards(interface)
    if interface.port and interface.port.isolated and interface.type not in ISOLATED:
        who = f"interface {interface.mac.address if interface.mac else ''}"
        what = f"is not supported for network interfaces with type='{interface.type}'"
        raise ConfigUnsupported(f"{who} - <port isolated='yes'/> {what}", virdomain=VIR_FROM_DOM)
    if interface.is_passt and interface.type != "user":
        raise ConfigUnsupported("The 'passt' backend can only be used with interface type='user'")


def _bandwidth(interface: Interface) -> None:
    given = interface.bandwidth
    if given is None:
        return
    if given.outbound is not None and given.outbound.floor is not None:
        raise ConfigUnsupported("'floor' attribute allowed only in <inbound> element")
    for rate in (given.inbound, given.outbound):
        if rate is not None and rate.average is None and rate.floor is None:
            raise XmlDetail("Missing mandatory average or floor attributes")
        if rate is not None and rate.floor is not None and interface.type not in ("network", "direct"):
            raise ConfigUnsupported("floor attribute is not supported for this config")


def _vlan(interface: Interface) -> None:
    vlan = interface.vlan
    if vlan is None:
        return
    if not vlan.tags:
        raise XmlError("missing tag id - each <vlan> must have at least one <tag id='n'/> subelement")
    for tag in vlan.tags:
        if tag.id > HIGHEST_TAG:
            raise XmlError(f"vlan tag id {tag.id} too large (maximum {HIGHEST_TAG})")
    natives = [tag.id for tag in vlan.tags if tag.native]
    if len(natives) > 1:
        raise XmlError(f"duplicate native vlan setting: tags {natives[0]} and {natives[1]}")
    if natives and vlan.trunk is False:
        what = "invalid configuration in <vlan>"
        raise XmlError(f"{what} - \"trunk='no'\" is not allowed with a native vlan id")
    if len(vlan.tags) > 1 and vlan.trunk is False:
        what = "invalid \"trunk='no'\" in <vlan>"
        raise XmlError(f"{what} - trunk='yes' is required for more than one vlan tag")


def _virtual_port(interface: Interface) -> None:
    given = interface.virtualport
    if given is None:
        return
    if interface.type not in VIRTUAL_PORTS:
        text = f"<virtualport> element unsupported for <interface type='{interface.type}'>"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    if given.type is None:
        if interface.type != "network":
            raise XmlError("missing required virtualport type")
        return
    parameters = given.parameters or PortParameters()
    said = [name for name in parameters.__schema__.bindings if getattr(parameters, name) is not None]
    for name in said:
        if name not in HAVE.get(given.type, said):
            raise XmlError(f"extra {name} unsupported in <virtualport type='{given.type}'>")
    for name in NEEDED.get(given.type, ()):
        if name not in said and interface.type != "network":
            raise XmlError(f"missing {name} in <virtualport type='{given.type}'>")


def _forwards(interface: Interface) -> None:
    if interface.forwards and interface.type != "user":
        raise ConfigUnsupported(f"<portForward> is not supported for interface type '{interface.type}'")
    for forward in interface.forwards:
        _forward(forward)
        if not interface.is_passt:
            _user_forward(forward)
    count = sum(_length(each) for forward in interface.forwards for each in forward.ranges)
    if count > MOST_FORWARDS and not interface.is_passt:
        raise ConfigUnsupported(f"{count} ports are forwarded; QEMU's user network takes {MOST_FORWARDS}")


def _length(ports: PortRange) -> int:
    return (ports.end or ports.start) - ports.start + 1


def _forward(forward: PortForward) -> None:
    if forward.address is not None:
        try:
            ip_address(forward.address)
        except ValueError:
            raise XmlError(f"Invalid address '{forward.address}' in <portForward>") from None
    for ports in forward.ranges:
        end = ports.end if ports.end is not None else ports.start
        what = f"portForward range start='{ports.start}' end='{end}'"
        if ports.start == 0 or end < ports.start:
            raise XmlError(f"{what}: expected a start from 1 and no end before it")
        if ports.exclude and ports.to is not None:
            raise XmlError(f"{what}: excluded ports lead nowhere, expected no 'to'")
        if ports.to is not None and not 0 < ports.to <= 65535 - (end - ports.start):
            raise XmlError(f"{what} to='{ports.to}': expected guest's ports from 1 to 65535")


def _user_forward(forward: PortForward) -> None:
    """QEMU's own user network needs to be told each port, and has IPv4 addresses only."""
    if not forward.ranges or all(ports.exclude for ports in forward.ranges):
        raise ConfigUnsupported("<portForward> without <range> needs <backend type='passt'/>")
    if forward.dev is not None:
        raise ConfigUnsupported("<portForward dev=> needs <backend type='passt'/>")
    if forward.address is not None and ip_address(forward.address).version == 6:
        raise ConfigUnsupported(f"<portForward address='{forward.address}'> needs <backend type='passt'/>")
