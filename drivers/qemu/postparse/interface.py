"""What libvirt fills in, and leaves out, of a network card."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

from embervirt.drivers.qemu.model.interface import Interface, InterfaceModel, InterfaceTarget, Mac
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
from embervirt.drivers.qemu.model.interface_source import FIELDS, InterfaceSource
from embervirt.drivers.xml import replace

PREFIX = "52:54:00:"
AUTOMATIC = ("vnet", "macvtap", "macvlan")
"""How names of taps begin that are given for a run: a definition does not keep them."""

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
        model=interface.model or InterfaceModel(type="rtl8139"),
    )
    return replace(interface, **_connected(interface), **_tuned(interface))


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
        "source": source,
        "bandwidth": _bandwidth(interface.bandwidth),
        "vlan": _vlan(interface.vlan),
        "virtualport": _virtual_port(interface),
        "port": _or_none(interface.port),
        "filterref": _filter(interface.filterref) if interface.type in FILTERED else None,
    }


def _tuned(interface: Interface) -> dict[str, Any]:
    return {
        "driver": _driver(interface),
        "backend": _backend(interface),
        "mtu": interface.mtu if interface.mtu and interface.mtu.size else None,
        "tune": _or_none(interface.tune),
        "coalesce": _coalesce(interface.coalesce),
        "guest": _or_none(interface.guest),
    }


def _or_none(element: Any) -> Any:
    """None for one that says nothing."""
    if element is None or all(getattr(element, name) in (None, ()) for name in element.__schema__.bindings):
        return None
    return element


def _driver(interface: Interface) -> Any:
    given = interface.driver
    if given is None or not interface.is_virtio:
        return None
    return _or_none(replace(given, queues=None) if given.queues in (0, 1) else given)


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
    """Zero is no limit; what is left then is dropped."""
    bare = None if given is None else Rate(**{name: value or None for name, value in vars(given).items()})
    rate: Rate | None = _or_none(bare)
    return rate


def _vlan(given: Vlan | None) -> Vlan | None:
    several = given is not None and len(given.tags) > 1 and given.trunk is None
    return replace(given, trunk=True) if several and given is not None else given


def _virtual_port(interface: Interface) -> VirtualPort | None:
    """Ids that nobody gave are made up, of the kinds that have them."""
    given = interface.virtualport
    if given is None:
        return None
    wanted: dict[str, tuple[str, ...]] = {"802.1Qbg": ("instanceid",), "openvswitch": ("interfaceid",)}
    if interface.type == "network":
        wanted[""] = ("instanceid", "interfaceid")
    parameters = given.parameters or PortParameters()
    missing = [name for name in wanted.get(given.type or "", ()) if getattr(parameters, name) is None]
    ids: dict[str, Any] = {name: str(uuid4()) for name in missing}
    return replace(given, parameters=_or_none(replace(parameters, **ids)))


def _filter(given: FilterRef | None) -> FilterRef | None:
    """Parameters in the order of their names, as libvirt has them."""
    if given is None or not given.filter:
        return None
    whole = [each for each in given.parameters if each.name and each.value]
    return replace(given, parameters=tuple(sorted(whole, key=lambda each: each.name or "")))


def _coalesce(given: Coalesce | None) -> Coalesce | None:
    return given if given and given.rx and given.rx.frames and given.rx.frames.max else None
