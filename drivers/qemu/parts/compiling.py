"""From a domain to the ordered list of its parts: pure, and the same pieces that hot-plug uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Controller, Devices, Domain
from embervirt.drivers.qemu.parts import chardev, controller, disk, interface, machine, virtual
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import Option, Part

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


def compile(domain: Domain, caps: Capabilities, ctx: CompileContext) -> list[Part]:
    """The parts of a validated domain, in the order of libvirt's command line.

    Raises what ``ctx.secret`` raises.
    """
    root = pci_root(domain)
    return [
        *machine.parts(domain, caps, ctx),
        *_devices(domain, root, ctx),
        Option("sandbox", SANDBOX),
        Option("msg", "timestamp=on"),
    ]


def pci_root(domain: Domain) -> str:
    """QEMU's name of the first PCI bus."""
    return "pcie.0" if (domain.os.type.machine or "").startswith("pc-q35") else "pci.0"


def _devices(domain: Domain, root: str, ctx: CompileContext) -> Iterator[Part]:
    devices, boots = domain.devices, boot_order(domain)
    for item in sorted(devices.controllers, key=_after_its_bus):
        yield from controller.parts(item, root)
    for number, item_disk in enumerate(devices.disks):
        node = len(devices.disks) - number
        yield from disk.parts(item_disk, node, boots.get(item_disk.dev), root, ctx)
    for number, card in enumerate(devices.interfaces):
        yield from interface.parts(card, number, boots.get(f"net{number}"), root)
    for number, serial in enumerate(devices.serials):
        yield from chardev.parts(serial, number, ctx.console_log if number == 0 else None)
    yield from _virtual(devices, root)


def _after_its_bus(item: Controller) -> tuple[bool, int]:
    """PCI buses first, the one nearer to the root before the one behind it: QEMU reads from left to right."""
    return (item.type != "pci", item.index or 0)


def _virtual(devices: Devices, root: str) -> Iterator[Part]:
    for sound in devices.audios:
        yield from controller.audio(sound)
    for balloon in devices.memballoons:
        yield from virtual.memballoon(balloon, root)
    for number, source in enumerate(devices.rngs):
        yield from virtual.rng(source, number, root)


def boot_order(domain: Domain) -> dict[str, int]:
    """Place of a disk (by target) or card (``netN``): the first device of each kind that ``<boot>`` names."""
    disks = domain.devices.disks
    firsts = {
        "hd": next((item.dev for item in disks if item.device == "disk"), None),
        "cdrom": next((item.dev for item in disks if item.device == "cdrom"), None),
        "network": "net0" if domain.devices.interfaces else None,
    }
    order: dict[str, int] = {}
    for boot in domain.os.boots:
        first = firsts[boot.dev]
        if first is not None:
            order.setdefault(first, len(order) + 1)
    return order
