"""Network cards."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_source import REQUIRED, InterfaceSource, Ip, Route
from embervirt.drivers.qemu.parts.interface import driver
from embervirt.drivers.qemu.validate import interface_network
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MTU = ("network", "bridge", "ethernet", "vhostuser")
COALESCE = ("network", "bridge", "ethernet", "direct")


def check(domain: Domain, caps: Capabilities) -> None:
    """MAC addresses, models, and what a card of each type can have."""
    for interface in domain.devices.interfaces:
        _check(interface, caps)


def _check(interface: Interface, caps: Capabilities) -> None:
    address = interface.mac.address if interface.mac else ""
    if address and int(address[:2], 16) & 1:
        raise XmlError(f"expected unicast mac address, found multicast '{address}'")
    if driver(interface) not in caps.devices:
        model = interface.model.type if interface.model else ""
        raise ConfigUnsupported(f"interface {address}: '{caps.binary}' has no network card '{model}'")
    _source(interface)
    _limits(interface)
    _queues(interface)
    _guest_side(interface)
    _teaming(interface)
    interface_network.check(interface)


def _source(interface: Interface) -> None:
    source, required = interface.source, REQUIRED.get(interface.type, ())
    if source is None and required:
        raise XmlError(f"interface type='{interface.type}' requires a 'source' element")
    for name in required:
        if getattr(source, name) in (None, ""):
            raise XmlError(f"Missing required attribute '{name}' in element 'source'")
    if source is not None and source.mode in ("client", "server") and interface.type == "direct":
        raise XmlError(f"Invalid value for attribute 'mode' in element 'source': '{source.mode}'.")
    if interface.type == "udp" and source is not None:
        _local(interface)
    if interface.type == "vhostuser":
        _vhost_user(interface)


def _local(interface: Interface) -> None:
    local = interface.source.local if interface.source else None
    if local is None:
        raise XmlError("'<local>' element missing for 'udp' socket interface")
    for name in ("address", "port"):
        if getattr(local, name) is None:
            raise XmlError(f"Missing required attribute '{name}' in element 'local'")


def _vhost_user(interface: Interface) -> None:
    source = interface.source
    assert source is not None
    if source.mode not in ("client", "server"):
        raise XmlError(f"Invalid value for attribute 'mode' in element 'source': '{source.mode}'.")
    if source.mode == "server" and source.reconnect is not None:
        what = "'reconnect' attribute unsupported 'server' mode for <interface type='vhostuser'>"
        raise ConfigUnsupported(what, virdomain=VIR_FROM_DOM)
    if not interface.is_virtio:
        what = "Wrong or no <model> 'type' attribute specified with <interface type='vhostuser'/>."
        raise InternalError(f"{what} vhostuser requires the virtio-net* frontend", virdomain=VIR_FROM_DOM)


def _limits(interface: Interface) -> None:
    if interface.mtu and interface.mtu.size and interface.type not in MTU:
        text = f"setting MTU on interface type {interface.type} is not supported yet"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if interface.coalesce and interface.type not in COALESCE:
        text = f"coalesce settings on interface type {interface.type} are not supported"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)


def _queues(interface: Interface) -> None:
    given = interface.driver
    for name in ("rx_queue_size", "tx_queue_size"):
        size = getattr(given, name) if given else None
        if size and size & (size - 1):
            raise ConfigUnsupported(f"{name} has to be a power of two")


def _teaming(interface: Interface) -> None:
    given = interface.teaming
    if given is None:
        return
    if given.type == "transient" and given.persistent is None:
        text = "teaming persistent attribute must be set if teaming type is 'transient'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    if given.type == "persistent" and not interface.is_virtio:
        model = interface.model.type if interface.model else ""
        text = f"virtio-net teaming persistent interface must be <model type='virtio'/>, not '{model}'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)


def _guest_side(interface: Interface) -> None:
    """QEMU's user network gives the guest an address; nobody else does, and nobody gives it routes."""
    what = "Invalid attempt to set network interface guest-side IP route"
    if interface.type != "user" and (interface.ips or interface.routes):
        text = f"{what} and/or address info, not supported by QEMU"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if interface.routes:
        raise ConfigUnsupported(f"{what}, not supported by QEMU", virdomain=VIR_FROM_QEMU)
    versions = [_version(ip, "ip") for ip in interface.ips]
    for version in (4, 6):
        if versions.count(version) > 1:
            raise ConfigUnsupported(f"Only one IPv{version} address per interface is allowed")
    if any(ip.peer for ip in interface.ips):
        raise ConfigUnsupported("peers are not supported by QEMU", virdomain=VIR_FROM_QEMU)
    source = interface.source or InterfaceSource()
    for ip in source.ips:
        _version(ip, "ip")
    for route in source.routes:
        _version(route, "route")


def _version(ip: Ip | Route, tag: str) -> int:
    try:
        version = ip_address(ip.address).version
    except ValueError:
        raise XmlError(f"Invalid address '{ip.address}' in <{tag}>") from None
    if ip.prefix is not None and ip.prefix > (32 if version == 4 else 128):
        raise XmlError(f"Invalid prefix value '{ip.prefix}' in <{tag}>")
    if ip.family and ip.family != f"ipv{version}":
        raise XmlError(f"Address '{ip.address}' in <{tag}> is not of family '{ip.family}'")
    return version
