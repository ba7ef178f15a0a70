"""A network card and the host's side of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from embervirt.drivers.qemu.model.device import Rom
from embervirt.drivers.qemu.model.interface import Interface, InterfaceDriver, Offloads
from embervirt.drivers.qemu.parts import virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.netdev import host_id, netdev
from embervirt.drivers.qemu.parts.part import Device, Part

HOST = {
    "csum": "csum",
    "gso": "gso",
    "host_tso4": "tso4",
    "host_tso6": "tso6",
    "host_ecn": "ecn",
    "host_ufo": "ufo",
    "mrg_rxbuf": "mrg_rxbuf",
}
GUEST = {
    "guest_csum": "csum",
    "guest_tso4": "tso4",
    "guest_tso6": "tso6",
    "guest_ecn": "ecn",
    "guest_ufo": "ufo",
}
DRIVER = {
    "ioeventfd": "ioeventfd",
    "event_idx": "event_idx",
    "rx_queue_size": "rx_queue_size",
    "tx_queue_size": "tx_queue_size",
    "rss": "rss",
    "hash": "rss_hash_report",
}
"""Properties of virtio-net by the XML's fields."""

MULTIQUEUE = ("network", "bridge", "direct", "ethernet", "vhostuser")
"""Types whose host's side has several queues."""


def parts(interface: Interface, build: Build) -> Iterable[Part]:
    """The host's side, then the card."""
    yield from netdev(interface, build)
    props = {"netdev": host_id(interface), **({"mac": interface.mac.address} if interface.mac else {})}
    yield Device(driver(interface), interface.id, {**props, **_card(interface), **_place(interface, build)})


def cable(interface: Interface) -> Iterator[tuple[str, dict[str, Any]]]:
    """The QMP command for a card without link: QEMU starts every card with one."""
    if interface.link is not None and interface.link.state == "down":
        yield "set_link", {"name": interface.id, "up": False}


def driver(interface: Interface) -> str:
    """QEMU's name of the model."""
    model = interface.model.type if interface.model else "rtl8139"
    return virtio.driver("virtio-net", model) if interface.is_virtio else model


def _place(interface: Interface, build: Build) -> dict[str, Any]:
    return {**build.boot(interface), **place(interface, build), **_rom(interface.rom)}


def _rom(rom: Rom | None) -> dict[str, Any]:
    if rom is None:
        return {}
    if rom.enabled is False:
        return {"romfile": ""}
    bar = {} if rom.bar is None else {"rombar": int(rom.bar)}
    return {**bar, **({"romfile": rom.file} if rom.file else {})}


def _card(interface: Interface) -> dict[str, Any]:
    if not interface.is_virtio:
        return {}
    mtu = {"host_mtu": interface.mtu.size} if interface.mtu and interface.mtu.size else {}
    failover = {"failover": True} if interface.teaming and interface.teaming.type == "persistent" else {}
    return {**_driver(interface), **mtu, **failover}


def _driver(interface: Interface) -> dict[str, Any]:
    """Several queues have two interrupts each, one for configuration, one for control."""
    given = interface.driver
    if given is None:
        return {}
    queues = interface.queues
    several = {"mq": True, "vectors": 2 * queues + 2} if queues > 1 and interface.type in MULTIQUEUE else {}
    txmode = {"timer": "timer", "iothread": "bh"}
    props: dict[str, Any] = {"tx": txmode[given.txmode]} if given.txmode else {}
    return {**props, **several, **_fields(given, DRIVER), **_offloads(given), **virtio.options(given)}


def _offloads(given: InterfaceDriver) -> dict[str, Any]:
    host = _fields(given.host, HOST) if given.host else {}
    return {**host, **(_fields(given.guest, GUEST) if given.guest else {})}


def _fields(source: InterfaceDriver | Offloads, names: dict[str, str]) -> dict[str, Any]:
    values = {key: getattr(source, name) for key, name in names.items()}
    return {key: value for key, value in values.items() if value is not None}
