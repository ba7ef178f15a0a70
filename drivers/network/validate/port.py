"""Rules of ``<networkport>``."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInternal, NetworkXml
from embervirt.drivers.network.model import NetworkPort
from embervirt.drivers.network.validate.places import Places
from embervirt.drivers.network.validate.traffic import check_bandwidth, check_virtualport, check_vlan


def validate_port(port: NetworkPort, at: Places | None = None) -> None:
    """Rules of a port that the API describes. Raises NetworkInternal, NetworkXml and its kin."""
    at = at or Places()
    owner, place = port.owner, at("/networkport")
    needed = {
        "uuid": port.uuid,
        "owner name": owner.name if owner else None,
        "owner UUID": owner.uuid if owner else None,
        "mac": port.mac,
    }
    for what, value in needed.items():
        if not value:
            raise NetworkInternal(f"network port has no {what}: {place}")
    _plug(port, at)
    check_bandwidth(port.bandwidth, "/networkport/bandwidth", at, floor=True)
    check_vlan(port.vlan, "/networkport/vlan", at)
    check_virtualport(port.virtualport, "/networkport/virtualport", at)


def _plug(port: NetworkPort, at: Places) -> None:
    plug = port.plug
    if plug is None:
        return
    missing = {
        "network": None if plug.bridge else "bridge name",
        "bridge": None if plug.bridge else "bridge name",
        "direct": None if plug.dev else "link device name",
        "hostdev-pci": None if plug.address else "PCI address",
    }.get(plug.type)
    if missing:
        raise NetworkXml(f"Missing network port {missing}: {at('/networkport/plug')}")
