"""Rules of bandwidth, VLANs, virtual ports and port groups."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkUnsupported, NetworkXml, NetworkXmlDetail
from embervirt.drivers.network.model import Bandwidth, Network, PortGroup, VirtualPort, Vlan
from embervirt.drivers.network.validate.places import Places

LONGEST_PROFILE = 39
"""Bytes of a port profile's name in 802.1Qbh."""

PARAMETERS = {
    "802.1Qbg": ("managerid", "typeid", "typeidversion", "instanceid"),
    "802.1Qbh": ("profileid",),
    "openvswitch": ("interfaceid", "profileid"),
    "midonet": ("interfaceid",),
}
"""Which parameters a type of virtual port has; without a type it has any."""


def check_traffic(network: Network, at: Places) -> None:
    """Raises NetworkXml, NetworkXmlDetail, NetworkUnsupported."""
    check_bandwidth(network.bandwidth, "/network/bandwidth", at)
    check_vlan(network.vlan, "/network/vlan", at)
    check_virtualport(network.virtualport, "/network/virtualport", at)
    for index, group in enumerate(network.portgroups, 1):
        check_portgroup(group, f"/network/portgroup[{index}]", at)


def check_portgroup(group: PortGroup, path: str, at: Places) -> None:
    """One ``<portgroup>`` at ``path``. Raises as ``check_traffic``."""
    if not group.name:
        raise NetworkXml(f"Missing required name attribute in portgroup: {at(path)}")
    check_bandwidth(group.bandwidth, f"{path}/bandwidth", at)
    check_vlan(group.vlan, f"{path}/vlan", at)
    check_virtualport(group.virtualport, f"{path}/virtualport", at, typed=False)


def check_bandwidth(bandwidth: Bandwidth | None, path: str, at: Places, *, floor: bool = False) -> None:
    """``floor``: a guaranteed rate and a class can be, as for one guest. Raises as ``check_traffic``."""
    if bandwidth is None:
        return
    if bandwidth.class_id is not None and not floor:
        text = "classID attribute not supported on <bandwidth> in this usage context"
        raise NetworkXmlDetail(f"{text}: {at(path)}")
    for tag, rate in (("inbound", bandwidth.inbound), ("outbound", bandwidth.outbound)):
        place = at(f"{path}/{tag}")
        if at.second(f"{path}/{tag}"):
            raise NetworkXmlDetail(f"Only one child <{tag}> element allowed: {place}")
        if rate is None:
            continue
        if rate.average is None and rate.floor is None:
            raise NetworkXmlDetail(f"Missing mandatory average or floor attributes: {place}")
        if rate.floor is not None and tag == "outbound":
            raise NetworkUnsupported(f"'floor' attribute allowed only in <inbound> element: {place}")
        if rate.floor is not None and not floor:
            raise NetworkUnsupported(f"floor attribute is not supported for this config: {place}")


def check_vlan(vlan: Vlan | None, path: str, at: Places) -> None:
    """Raises NetworkXml."""
    if vlan is None:
        return
    natives = [tag for tag in vlan.tags if tag.native_mode]
    if not vlan.tags:
        text = "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement"
        raise NetworkXml(f"{text}: {at(path)}")
    if len(natives) > 1:
        raise NetworkXml(f"duplicate native vlan setting: {at(path)}")
    if vlan.trunk is False and natives:
        text = "invalid configuration in <vlan> - \"trunk='no'\" is not allowed with a native vlan id"
        raise NetworkXml(f"{text}: {at(path)}")
    if vlan.trunk is False and len(vlan.tags) > 1:
        text = "invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag"
        raise NetworkXml(f"{text}: {at(path)}")


def check_virtualport(port: VirtualPort | None, path: str, at: Places, *, typed: bool = True) -> None:
    """``typed``: it must say its type. Raises NetworkXml."""
    if port is None:
        return
    if port.type is None and typed:
        accepted = ", ".join(PARAMETERS)
        raise NetworkXml(f"missing required virtualport type: {at(path)}; expected one of: {accepted}")
    given = port.parameters
    if given is None:
        return
    if given.profileid and len(given.profileid.encode()) > LONGEST_PROFILE:
        place = at(f"{path}/parameters")
        raise NetworkXml(f"profileid parameter too long: {place}; at most {LONGEST_PROFILE} bytes")
    known = PARAMETERS.get(port.type or "", tuple(given.__schema__.names))
    for name in given.__schema__.bindings:
        if getattr(given, name) is not None and name not in known:
            text = f"extra {name} unsupported in <virtualport type='{port.type}'>"
            raise NetworkXml(f"{text}: {at(path + '/parameters')}; expected: {', '.join(known)}")
