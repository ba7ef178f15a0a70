"""What a port is: from what a guest asks for and what its network says to a plan (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from embervirt.drivers.network import names
from embervirt.drivers.network.backend.protocol import PortPlan
from embervirt.drivers.network.errors import NetworkArgument, NetworkInternal, NetworkUnsupported
from embervirt.drivers.network.messages import Plug
from embervirt.drivers.network.model import (
    Bandwidth,
    Mac,
    Network,
    NetworkPort,
    PortGroup,
    PortOptions,
    PortOwner,
    PortPlug,
    RxFilters,
    VirtualPort,
    Vlan,
)
from embervirt.drivers.network.service.planning import police, shape
from embervirt.drivers.network.states import check_active
from embervirt.drivers.network.tables import NetworkRow, PortRow
from embervirt.drivers.xml import Element, parse, render, replace

DIRECT = ("bridge", "private", "vepa", "passthrough")
"""Modes of a network whose guests get macvtaps, unless it names a bridge."""

QUEUES = 256
"""That a tap has at most (MAX_TAP_QUEUES)."""


@dataclass(frozen=True)
class Place:
    """Where a guest's interface goes. ``type``: tap, direct or dgram; ``link``: below a macvtap."""

    type: str
    network: str = ""
    bridge: str = ""
    link: str = ""
    mode: str = ""
    known: bool = False


def place(wish: Plug, row: NetworkRow | None, ports: Collection[PortRow]) -> Place:
    """``row``: of the network that it names. Raises NetworkInvalid, NetworkUnsupported, NetworkInternal."""
    if wish.type == "bridge":
        return Place("tap", bridge=wish.source)
    if wish.type == "direct":
        return Place("direct", link=wish.source, mode=wish.mode or "vepa")
    if wish.type == "ethernet" or row is None:
        return Place("tap")
    check_active(row)
    network = row.network
    if network.mode == "hostdev":
        text = f"network '{row.name}' gives guests PCI devices (forward mode hostdev), no interface of type"
        raise NetworkUnsupported(f"{text} '{wish.type}'")
    if row.bridge:
        known = network.bridge is not None and network.bridge.mac_table_manager == "libvirt"
        return Place("tap", row.uuid, row.bridge, known=known)
    if network.own_bridge:
        return Place("dgram", row.uuid)
    return Place("direct", row.uuid, link=_free_link(row, ports), mode=network.mode)


def _free_link(row: NetworkRow, ports: Collection[PortRow]) -> str:
    """Of a pool the one with the fewest guests; with mode passthrough one that has none."""
    forward = row.network.forward
    devices = [each.dev for each in forward.interfaces if each.dev] if forward else []
    used = Counter(port.link for port in ports)
    free = [each for each in devices if row.network.mode != "passthrough" or not used[each]]
    if not devices:
        text = f"network '{row.name}' uses a direct mode, but has no forward dev and no interface pool"
        raise NetworkInternal(text)
    if not free:
        text = f"network '{row.name}' requires exclusive access to interfaces, but none are available"
        raise NetworkInternal(text)
    return min(free, key=lambda each: used[each])


def port_group(network: Network, name: str) -> PortGroup | None:
    """The one of that name, else the default, if there is one. Raises NetworkUnsupported."""
    for group in network.portgroups:
        if group.name == name if name else group.default:
            return group
    if name:
        known = ", ".join(f"'{each.name}'" for each in network.portgroups) or "none"
        raise NetworkUnsupported(f"network '{network.name}' has no portgroup '{name}'; it has {known}")
    return None


def port(wish: Plug, where: Place, network: Network | None, id_: str, tap: str) -> PortRow:
    """The port as it is to be. Raises NetworkUnsupported, XmlError."""
    group = port_group(network, wish.portgroup) if network else None
    described = describe(wish, where, network, group, id_)
    inbound = described.bandwidth.inbound if described.bandwidth else None
    if inbound is not None and inbound.floor:
        raise NetworkUnsupported(
            f"interface {wish.mac}: bandwidth with 'floor' is not supported; expected none"
        )
    return row_of(wish, where, described, network.mtu.size if network and network.mtu else 0, tap)


def row_of(wish: Plug, where: Place, described: NetworkPort, mtu: int, tap: str) -> PortRow:
    """A port that is described; ``mtu``: its network's, 0 for the bridge's. Raises NetworkUnsupported."""
    if not 1 <= wish.queues <= QUEUES:
        raise NetworkUnsupported(f"interface {wish.mac}: {wish.queues} queues; a tap has 1 to {QUEUES}")
    _check(described, wish.mac)
    options = described.port
    return PortRow(
        id=str(described.uuid),
        network=where.network,
        owner=wish.owner.uuid,
        name=wish.owner.name,
        run=wish.owner.run,
        mac=wish.mac,
        type=where.type,
        xml=render(described),
        tap=tap,
        bridge=where.bridge,
        link=where.link,
        mode=where.mode,
        mtu=wish.mtu or mtu,
        queues=wish.queues,
        vnet_hdr=wish.vnet_hdr,
        made=wish.managed,
        link_up=wish.link_up,
        known=where.known,
        isolated=options is not None and bool(options.isolated),
        bandwidth=text_of(described.bandwidth),
        vlan=text_of(described.vlan),
        filterref=wish.filterref,
        card=wish.card,
    )


def planned(row: PortRow) -> PortPlan:
    """A port as its row says it."""
    bandwidth = read(Bandwidth, row.bandwidth)
    return PortPlan(
        row=row,
        vlans=tags(read(Vlan, row.vlan)),
        shape=shape(bandwidth.inbound if bandwidth else None),
        police=police(bandwidth.outbound if bandwidth else None),
    )


def describe(
    wish: Plug, where: Place, network: Network | None, group: PortGroup | None, id_: str
) -> NetworkPort:
    """The ``<networkport>``: what the interface says, else its portgroup, else the network."""
    said = (group, network)
    bandwidth = read(Bandwidth, wish.bandwidth) or (group.bandwidth if group else None)
    vlan = read(Vlan, wish.vlan) or _first(said, "vlan")
    virtualport = read(VirtualPort, wish.virtualport) or _first(said, "virtualport")
    options = PortOptions(isolated=True) if wish.isolated else (network.port if network else None)
    return NetworkPort(
        uuid=id_,
        owner=PortOwner(name=wish.owner.name, uuid=wish.owner.uuid),
        group=wish.portgroup or None,
        mac=Mac(address=wish.mac),
        virtualport=virtualport,
        bandwidth=bandwidth,
        rxfilters=RxFilters(trust_guest=True) if wish.trust_guest_rx_filters else None,
        port=options,
        vlan=vlan,
        plug=_plug(where, network),
    )


def _plug(where: Place, network: Network | None) -> PortPlug:
    if where.type == "direct":
        return PortPlug(type="direct", dev=where.link, mode=where.mode)
    if network is None or not network.own_bridge or not where.bridge:
        return PortPlug(type="bridge" if where.bridge else "none", bridge=where.bridge or None)
    manager = network.bridge.mac_table_manager if network.bridge else None
    return PortPlug(type="network", bridge=where.bridge, mac_table_manager=manager)


def check_reclaim(described: NetworkPort, *, reclaim: bool) -> None:
    """A port that is new has no plug yet. Raises NetworkArgument."""
    plugged = described.plug is not None and described.plug.type != "none"
    if plugged and not reclaim:
        raise NetworkArgument("Port reclaim not requested but plug type is not none; expected no <plug>")
    if reclaim and not plugged:
        raise NetworkArgument("Port reclaim requested but plug type is none; expected a <plug>")


def plug_of(row: NetworkRow) -> PortPlug:
    """What a port that says nothing of it is plugged into."""
    if row.bridge:
        return _plug(Place("tap", row.uuid, row.bridge), row.network)
    return PortPlug(type="none")


def _first(said: tuple[Any, ...], what: str) -> Any:
    return next((found for each in said if each is not None and (found := getattr(each, what))), None)


def _check(described: NetworkPort, mac: str) -> None:
    virtual = described.virtualport
    if virtual is not None and virtual.type is not None:
        text = f"interface {mac}: a virtual port of type '{virtual.type}' is not supported on this kind of"
        raise NetworkUnsupported(f"{text} connection; expected none")
    if described.vlan is not None and described.plug is not None and described.plug.type == "direct":
        text = f"interface {mac}: it requests a vlan tag, which is not supported for macvtaps"
        raise NetworkUnsupported(text)


def tags(vlan: Vlan | None) -> tuple[tuple[int, bool], ...]:
    """Id, and whether frames are untagged at the guest: of one tag that is no trunk, or of a native one."""
    if vlan is None:
        return ()
    alone = len(vlan.tags) == 1 and not vlan.trunk
    return tuple((tag.id, alone or tag.native_mode == "untagged") for tag in vlan.tags)


def text_of(element: Element | None) -> str:
    """As it is recorded."""
    return "" if element is None else render(element).strip()


def read(type_: type[Any], text: str) -> Any:
    """An element's text; None for an empty one."""
    return parse(type_, text) if text else None


def new_tap(hash8: str, where: Place, wish: Plug, taken: Callable[[str], bool]) -> str:
    """The name that the interface wants, with a number for ``%d``, or one of ours."""
    container = _Names(taken)
    if "%d" in wish.target:
        return names.templated(wish.target, container)
    if wish.target:
        return wish.target
    return (names.macvtap if where.type == "direct" else names.tap)(hash8, container)


@dataclass(frozen=True)
class _Names:
    taken: Callable[[str], bool]

    def __contains__(self, name: object) -> bool:
        return self.taken(str(name))


def changed(row: PortRow, **what: Any) -> PortRow:
    """With other bandwidth, filter, state; its description says so too."""
    row = msgspec.structs.replace(row, **what)
    described = parse(NetworkPort, row.xml)
    described = replace(
        described,
        bandwidth=read(Bandwidth, row.bandwidth),
        vlan=read(Vlan, row.vlan),
        port=PortOptions(isolated=True) if row.isolated else None,
    )
    return msgspec.structs.replace(row, xml=render(described))
