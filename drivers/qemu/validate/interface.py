"""Network cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.device import VirtioDriver
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_source import REQUIRED
from embervirt.drivers.qemu.parts.interface import driver
from embervirt.drivers.qemu.postparse.interface import COALESCE
from embervirt.drivers.qemu.validate import interface_ip, interface_network
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

TRANSIENT = ("network",)
"""Types that can turn out to be a device of the host, which can come and go."""

MTU = ("network", "bridge", "ethernet", "vhostuser")


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
    interface_network.check(interface)
    interface_ip.check(interface)
    _limits(interface)
    _queues(interface)
    _teaming(interface)
    _rom(interface)


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
    again = source.reconnect
    if again is not None and again.enabled and again.timeout is None:
        raise XmlError("Missing required attribute 'timeout' in element 'reconnect'")
    if source.mode == "server" and again is not None and again.enabled:
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
    target = interface.target
    if target is not None and target.managed is False and interface.type != "ethernet":
        text = f"unmanaged target dev is not supported on interfaces of type '{interface.type}'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)


def _rom(interface: Interface) -> None:
    rom = interface.rom
    if rom is not None and rom.enabled is False and (rom.bar is not None or rom.file is not None):
        text = "ROM tuning is not supported when ROM is disabled"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)


def _queues(interface: Interface) -> None:
    given = interface.driver
    for name in () if interface.is_virtio else VirtioDriver.__schema__.bindings:
        if getattr(given, name, None) is not None:
            text = f"{name} driver option is only supported for virtio devices"
            raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    if given is not None and given.name not in (None, "qemu", "vhost"):
        text = f"Invalid value for attribute 'name' in element 'driver': '{given.name}'"
        raise XmlError(f"{text}; of a virtio card expected one of: qemu, vhost")
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
    if given.type == "persistent" and given.persistent is not None:
        text = "teaming persistent attribute not allowed if teaming type is 'persistent'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    if given.type == "transient" and interface.type not in TRANSIENT:
        text = "virtio-net teaming transient interface must be type='hostdev'"
        raise ConfigUnsupported(f"{text}, not '{interface.type}'", virdomain=VIR_FROM_QEMU)
    if given.type == "persistent" and not interface.is_virtio:
        model = interface.model.type if interface.model else ""
        text = f"virtio-net teaming persistent interface must be <model type='virtio'/>, not '{model}'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
