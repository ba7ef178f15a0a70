"""What libvirt fills in, and leaves out, of a network card."""

from __future__ import annotations

import re
import secrets
from typing import Any
from uuid import uuid4

from embervirt.drivers.qemu.model.device import VIRTIO, VirtioDriver
from embervirt.drivers.qemu.model.interface import (
    Interface,
    InterfaceDriver,
    InterfaceModel,
    InterfaceTarget,
    Mac,
)
from embervirt.drivers.qemu.model.interface_network import (
    Bandwidth,
    Coalesce,
    FilterRef,
    InterfaceBackend,
    PortParameters,
    Rate,
    VirtualPort,
    Vlan,
)
from embervirt.drivers.qemu.model.interface_source import FIELDS, InterfaceSource, VhostReconnect
from embervirt.drivers.qemu.postparse import interface_ip
from embervirt.drivers.xml import replace

PREFIX = "52:54:00:"
AUTOMATIC = ("vnet", "macvtap", "macvlan")
"""How names of taps begin that are given for a run: a definition does not keep them."""

KNOWN_MODELS = {
    name.lower(): name
    for name in (
        *VIRTIO,
        *("netfront", "rtl8139", "e1000", "e1000e", "igb", "usb-net", "spapr-vlan", "lan9118", "scm91c111"),
        *("vlance", "vmxnet", "vmxnet2", "vmxnet3", "Am79C970A", "Am79C973", "82540EM", "82545EM", "82543GC"),
    )
}
"""Models that libvirt knows, in any case; other names are QEMU's."""

PARAMETER_NAME, PARAMETER_VALUE = re.compile("[a-zA-Z0-9_]+"), re.compile("[a-zA-Z0-9_.:]+")
"""What a filter's parameter can say; others are dropped, as by libvirt."""

COALESCE = ("network", "bridge")
"""Types whose taps can gather frames."""

FILTERED = ("network", "bridge", "ethernet")
"""Types that can have a filter; others lose it."""


def new_mac() -> str:
    """An address of QEMU's range, by chance."""
    return PREFIX + secrets.token_bytes(3).hex(":")


def complete(interface: Interface) -> Interface:
    """A new MAC address when it has none, the model that libvirt takes, and only what its type can have.

    What is of a run in a card that has its run's alias stays.
    """
    interface = replace(
        interface,
        mac=interface.mac or Mac(address=new_mac()),
        model=_model(interface.model),
        ips=tuple(map(interface_ip.ip, interface.ips)),
        routes=tuple(map(interface_ip.route, interface.routes)),
    )
    return replace(interface, **_connected(interface), **_tuned(interface))


def _model(given: InterfaceModel | None) -> InterfaceModel:
    name = given.type if given is not None else "rtl8139"
    return InterfaceModel(type=KNOWN_MODELS.get(name.lower(), name))


def definition(interface: Interface) -> Interface:
    """Without the traces of a run: where it was plugged in, and a tap's name that was given for it."""
    target, source = interface.target, interface.source
    dev = target.dev if target is not None else None
    if target is not None and dev is not None and dev.startswith(AUTOMATIC):
        target = InterfaceTarget(managed=target.managed)
    kept = FIELDS.get(interface.type, ())
    bare = None if source is None else InterfaceSource(**{name: getattr(source, name) for name in kept})
    passed = interface.type != "user" or interface.is_passt
    return replace(interface, target=_or_none(target), source=_or_none(bare) if passed else None)


def _connected(interface: Interface) -> dict[str, Any]:
    source = interface.source
    if interface.type == "direct" and source is not None and source.mode is None:
        source = replace(source, mode="vepa")
    return {
        "source": _source(source),
        "bandwidth": _bandwidth(interface.bandwidth),
        "vlan": _vlan(interface.vlan),
        "virtualport": _virtual_port(interface),
        "port": _or_none(interface.port),
        "filterref": _filter(interface.filterref) if interface.type in FILTERED else None,
    }


def _source(given: InterfaceSource | None) -> InterfaceSource | None:
    """Addresses as libvirt writes them; a time to connect again that nobody asked for is dropped."""
    if given is None:
        return None
    again = given.reconnect
    if again is not None:
        again = again if again.enabled else VhostReconnect(enabled=False) if again.enabled is False else None
    ips, routes = map(interface_ip.ip, given.ips), map(interface_ip.route, given.routes)
    return replace(given, reconnect=again, ips=tuple(ips), routes=tuple(routes))


def _tuned(interface: Interface) -> dict[str, Any]:
    return {
        "driver": _driver(interface),
        "backend": _backend(interface),
        "mtu": interface.mtu if interface.mtu and interface.mtu.size else None,
        "tune": _or_none(interface.tune),
        "coalesce": _coalesce(interface),
        "guest": _unless_empty(interface.guest),
        "script": _unless_empty(interface.script),
        "downscript": _unless_empty(interface.downscript),
        "link": _or_none(interface.link),
        "teaming": _or_none(interface.teaming),
        "rom": _or_none(interface.rom),
    }


def _or_none(element: Any) -> Any:
    """None for one that says nothing."""
    if element is None or all(getattr(element, name) in (None, ()) for name in element.__schema__.bindings):
        return None
    return element


def _unless_empty(element: Any) -> Any:
    """Without words that are empty; None for one that says nothing then."""
    if element is None:
        return None
    words = {name: getattr(element, name) or None for name in element.__schema__.bindings}
    return _or_none(replace(element, **words))


def _driver(interface: Interface) -> Any:
    """Of a card that is not virtio only the options stay that ``validate`` refuses."""
    given = interface.driver
    if given is None:
        return None
    if not interface.is_virtio:
        names = VirtioDriver.__schema__.bindings
        return _or_none(InterfaceDriver(**{name: getattr(given, name) for name in names}))
    bare = replace(
        given,
        queues=None if given.queues in (0, 1) else given.queues,
        rx_queue_size=given.rx_queue_size or None,
        tx_queue_size=given.tx_queue_size or None,
        host=_or_none(given.host),
        guest=_or_none(given.guest),
    )
    return _or_none(bare)


def _backend(interface: Interface) -> InterfaceBackend | None:
    given = interface.backend
    if given is not None and not interface.is_virtio:
        given = replace(given, vhost=None)
    found: InterfaceBackend | None = _or_none(given)
    return found


def _bandwidth(given: Bandwidth | None) -> Bandwidth | None:
    if _or_none(given) is None or given is None:
        return None
    return replace(given, inbound=_rate(given.inbound), outbound=_rate(given.outbound))


def _rate(given: Rate | None) -> Rate | None:
    """Zero is no limit, and as average none at all. Without average it stays as it is, to be refused."""
    if given is None or (given.average is None and given.floor is None):
        return given
    bare = Rate(**{name: value or None for name, value in vars(given).items()})
    return None if bare.average is None and bare.floor is None else bare


def _vlan(given: Vlan | None) -> Vlan | None:
    if given is None or given.trunk:
        return given
    if len(given.tags) > 1:
        return replace(given, trunk=True) if given.trunk is None else given
    native = any(tag.native for tag in given.tags)
    return given if given.trunk is None or native else replace(given, trunk=None)


def _virtual_port(interface: Interface) -> VirtualPort | None:
    """Ids that nobody gave are made up, of the kinds that have them."""
    given = interface.virtualport
    if given is None:
        return None
    wanted: dict[str, tuple[str, ...]] = {"802.1Qbg": ("instanceid",), "openvswitch": ("interfaceid",)}
    if interface.type == "network":
        wanted[""] = ("instanceid", "interfaceid")
    parameters = given.parameters or PortParameters()
    parameters = replace(parameters, profileid=parameters.profileid or None)
    missing = [name for name in wanted.get(given.type or "", ()) if getattr(parameters, name) is None]
    ids: dict[str, Any] = {name: str(uuid4()) for name in missing}
    return replace(given, parameters=_or_none(replace(parameters, **ids)))


def _filter(given: FilterRef | None) -> FilterRef | None:
    """Parameters in the order of their names, as libvirt has them."""
    if given is None or given.filter is None:
        return None
    whole = [
        each
        for each in given.parameters
        if PARAMETER_NAME.fullmatch(each.name or "") and PARAMETER_VALUE.fullmatch(each.value or "")
    ]
    return replace(given, parameters=tuple(sorted(whole, key=lambda each: each.name or "")))


def _coalesce(interface: Interface) -> Coalesce | None:
    """Of a card that cannot have it also one that says 0, to be refused."""
    given = interface.coalesce
    frames = given.rx.frames if given is not None and given.rx is not None else None
    if frames is None or frames.max is None:
        return None
    return given if frames.max or interface.type not in COALESCE else None
