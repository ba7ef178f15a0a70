"""The host's side of a run's network cards: ports of the network driver, and programs (passt).

Taps are made by the network driver and handed over as descriptors, so that QEMU needs no privilege.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from embervirt import disk
from embervirt.actors.bus import Bus
from embervirt.config.accounts import Account
from embervirt.drivers.network.messages import Owner, Plug, Port, Unplug
from embervirt.drivers.qemu import aliases
from embervirt.drivers.qemu.backend import passt, swtpm
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain, Interface
from embervirt.drivers.qemu.model.interface import InterfaceTarget
from embervirt.drivers.qemu.model.interface_source import InterfaceSource
from embervirt.drivers.qemu.parts.context import Net
from embervirt.drivers.qemu.parts.interface import MULTIQUEUE
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service.keys import Call
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.root import reach
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.xml import Element, render, replace
from embervirt.errors import (
    ConfigUnsupported,
    InternalError,
    OperationFailed,
    OperationTimeout,
    OutcomeUnknown,
    libvirtError,
)
from embervirt.log import get_logger
from embervirt.supervisor.processes import Watched

NETWORK = "network"
TAGGED = ("network", "bridge", "direct")
"""Types whose other end may know of VLANs; the network driver says which does."""

TUN, VHOST = "/dev/net/tun", "/dev/vhost-net"


@dataclass(frozen=True)
class Card:
    """One whose other end was made: ``live`` as the XML of the run shows it, ``port`` its id.

    ``fds``, of a tap or of a program's socket, and ``vhost`` are for QEMU; whoever asked closes them.
    ``ends`` are paths: ``Net.local``, ``remote`` and ``socket``.
    """

    live: Interface
    port: str = ""
    helper: Watched | None = None
    fds: tuple[int, ...] = ()
    vhost: tuple[int, ...] = ()
    ends: tuple[str, str, str] = ("", "", "")

    def net(self, name: Callable[[int], str] = str) -> Net:
        """For the parts; ``name``: what QEMU knows a descriptor by."""
        fds, vhost = (tuple(map(name, each)) for each in (self.fds, self.vhost))
        return Net(fds, vhost, *self.ends)


@dataclass(frozen=True)
class Maker:
    """``undo`` takes back what was made, ``handed`` closes descriptors; ``hot``: for a QEMU that runs."""

    plan: Plan
    paths: RootPaths
    account: Account | None
    call: Call
    bus: Bus
    undo: ExitStack
    handed: ExitStack = field(default_factory=ExitStack)
    hot: bool = False

    def all(self) -> list[Card]:
        """Before a start. Raises what the network driver says, ConfigUnsupported, LaunchFailed."""
        cards = aliases.named(self.plan.domain).devices.interfaces
        for each in cards:
            check(each)
        return [self.one(each) for each in cards if made(each)]

    def one(self, interface: Interface) -> Card:
        """``interface`` has its alias, and ``check`` has passed it."""
        return self._port(interface) if interface.is_plugged else self._passt(interface)

    def _passt(self, interface: Interface) -> Card:
        sockets = self.paths.passt_dir(self.plan.id)
        program = passt.Passt(interface, self.plan.directory(self.paths), sockets, self.account)
        if self.hot:
            make_directories([sockets])
            if self.account is not None:
                reach.open_way(self.paths.path, sockets, self.account.uid)
                disk.give(sockets, *self.account.owner)
            return Card(interface, helper=program.listen(self.undo), ends=("", "", str(program.path)))
        helper, near = program.start(self.undo)
        self.handed.callback(near.close)
        return Card(interface, helper=helper, fds=(near.fileno(),))

    def _port(self, interface: Interface) -> Card:
        port = self._plugged(wanted(interface, self.plan))
        self.undo.callback(self._unplug, port.id)
        fds = tuple(self.bus.handover.take(port.token)) if port.token else ()
        for each in fds:
            self.handed.callback(os.close, each)
        vhost = self._vhost(interface, len(fds))
        return Card(shown(interface, port), port.id, None, fds, vhost, (port.local, port.remote, ""))

    def _plugged(self, request: Plug) -> Port:
        """Asked again when the driver died over it: it is the same port then.

        A port that nobody heard of goes with its tap, so what became of it is no question: it failed.
        """
        try:
            try:
                port: Port = self.call(NETWORK, request)
            except OutcomeUnknown:
                port = self.call(NETWORK, request)
        except (OutcomeUnknown, OperationTimeout) as error:
            raise OperationFailed(f"interface {request.mac} has no port: {error}") from error
        return port

    def _vhost(self, interface: Interface, count: int) -> tuple[int, ...]:
        """The kernel's own virtio-net, a descriptor for each queue, where the host has it; else QEMU's."""
        given = interface.driver.name if interface.driver else None
        path = (interface.backend.vhost if interface.backend else None) or VHOST
        if not interface.is_virtio or given == "qemu" or not os.access(path, os.R_OK | os.W_OK):
            return ()
        found = tuple(os.open(path, os.O_RDWR | os.O_CLOEXEC) for _ in range(count))
        for each in found:
            self.handed.callback(os.close, each)
        return found

    def _unplug(self, port: str) -> None:
        """Of a start that failed: that is the error to tell, not this one."""
        try:
            self.call(NETWORK, Unplug(port))
        except libvirtError as error:
            get_logger(driver="qemu").warning("port stays until it is found", port=port, error=str(error))


def made(interface: Interface) -> bool:
    """Whether somebody makes its other end."""
    return interface.is_plugged or interface.is_passt


def wanted(interface: Interface, plan: Plan) -> Plug:
    """What the network driver is asked for."""
    source, target, domain = interface.source or InterfaceSource(), interface.target, plan.domain
    places = {"network": source.network, "bridge": source.bridge, "direct": source.dev}
    return Plug(
        owner=Owner(domain.uuid, domain.name, f"{domain.uuid}/{plan.id}"),
        mac=interface.mac.address if interface.mac else "",
        type=interface.type,  # type: ignore[arg-type]
        source=places.get(interface.type) or "",
        mode=(source.mode or "") if interface.type == "direct" else "",
        portgroup=source.portgroup or "",
        target=(target.dev or "") if target else "",
        managed=not target or target.managed is not False,
        mtu=(interface.mtu.size or 0) if interface.mtu else 0,
        queues=interface.queues,
        vnet_hdr=interface.is_virtio,
        link_up=interface.link is None or interface.link.state == "up",
        isolated=bool(interface.port and interface.port.isolated),
        trust_guest_rx_filters=bool(interface.trust_rx_filters),
        bandwidth=text(interface.bandwidth),
        vlan=text(interface.vlan),
        virtualport=text(interface.virtualport),
        filterref=text(interface.filterref),
        card=interface.id,
    )


def text(element: Element | None) -> str:
    """Its XML, empty for none."""
    return "" if element is None else render(element)


def shown(interface: Interface, port: Port) -> Interface:
    """As libvirt shows it live: the tap's name, and where a network's port really is."""
    managed = interface.target.managed if interface.target else None
    target = InterfaceTarget(dev=port.tap, managed=managed) if port.tap else interface.target
    live = replace(interface, target=target)
    if interface.type != "network":
        return live
    source = replace(interface.source or InterfaceSource(), portid=port.id)
    if port.type == "macvtap":
        source = replace(source, dev=port.link or None, mode=port.mode or None)
        return replace(live, type="direct", source=source)
    return replace(live, source=replace(source, bridge=port.bridge or None))


def check(interface: Interface) -> None:
    """What can be described, and not done. Raises ConfigUnsupported, InternalError."""
    who = f"interface {interface.mac.address if interface.mac else ''}"
    if interface.queues > 1 and interface.type not in MULTIQUEUE:
        text = f"{who} - multiqueue is not supported for network interfaces of type {interface.type}"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    source, backend = interface.source, interface.backend
    if interface.script or interface.downscript:
        raise ConfigUnsupported(f"{who} - <script> is not run", virdomain=VIR_FROM_QEMU)
    if source and (source.ips or source.routes):
        raise ConfigUnsupported(f"{who} - host's addresses are not set", virdomain=VIR_FROM_QEMU)
    if interface.target and interface.target.managed is False and not interface.target.dev:
        text = f"target dev must be supplied when managed='no': {who}; expected that of a tap that is there"
        raise InternalError(text, virdomain=VIR_FROM_QEMU)
    if interface.vlan and interface.type not in TAGGED:
        text = f"{who} - vlan tag not supported for this connection type; expected one of {', '.join(TAGGED)}"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    if backend and backend.tap not in (None, TUN):
        text = f"{who} - tap device '{backend.tap}': expected {TUN}"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if interface.teaming and interface.teaming.type == "transient":
        raise ConfigUnsupported(f"{who} - teaming hostdev devices must have type 'hostdev'")


def live(domain: Domain, cards: list[Card]) -> Domain:
    """The domain with those cards as they run."""
    by_alias = {card.live.id: card.live for card in cards}
    named = aliases.named(domain).devices.interfaces
    found = tuple(by_alias.get(each.id, each) for each in named)
    return replace(domain, devices=replace(domain.devices, interfaces=found))


def descriptors(cards: list[Card]) -> tuple[int, ...]:
    """All that QEMU gets."""
    return tuple(each for card in cards for each in (*card.fds, *card.vhost))


def recorded(cards: list[Card]) -> dict[str, dict[str, str] | dict[str, Watched]]:
    """What the run's record says of them."""
    ports = {card.live.id: card.port for card in cards if card.port}
    helpers = {card.live.id: card.helper for card in cards if card.helper is not None}
    return {"ports": ports, "helpers": helpers}


def end(record: Record, bus: Bus) -> None:
    """After the end of its QEMU: a port whose driver is not there now is found by its missing tap."""
    for helper in record.helpers.values():
        swtpm.stop(helper)
    for port in record.ports.values():
        bus.tell(NETWORK, Unplug(port))
