"""A description as it is shown: without what only its owner may see, or without what an old libvirt adds."""

from __future__ import annotations

from functools import lru_cache

from embervirt.drivers.qemu.model import Controller, Devices, Disk, model_of
from embervirt.drivers.xml import render, replace


def shown(xml: str) -> str:
    """``xml``, as rendered from a domain, without the passwords of its displays and without cookies."""
    return _hidden(xml) if " passwd=" in xml or "<cookies>" in xml else xml


@lru_cache(maxsize=256)
def _hidden(xml: str) -> str:
    domain = model_of(xml)
    displays = tuple(replace(each, passwd=None) for each in domain.devices.graphics)
    disks = tuple(map(_without_cookies, domain.devices.disks))
    return render(replace(domain, devices=replace(domain.devices, graphics=displays, disks=disks)))


def _without_cookies(disk: Disk) -> Disk:
    """Of its own source and of those below."""
    below = tuple(
        replace(layer, source=replace(layer.source, cookies=None)) if layer.source else layer
        for layer in disk.backing
    )
    source = replace(disk.source, cookies=None) if disk.source else None
    return replace(disk, source=source, backing=below)


@lru_cache(maxsize=256)
def migratable(xml: str) -> str:
    """``xml`` without the devices that any libvirt adds by itself, which old ones do not know by name."""
    domain = model_of(xml)
    return render(replace(domain, devices=_explicit(domain.devices)))


def _explicit(devices: Devices) -> Devices:
    usbs = [each for each in devices.controllers if each.type == "usb"]
    audios = () if all(each.type == "none" for each in devices.audios) else devices.audios
    return replace(
        devices,
        controllers=tuple(each for each in devices.controllers if not _implied(each, len(usbs) == 1)),
        inputs=tuple(each for each in devices.inputs if (each.type, each.bus) != ("keyboard", "ps2")),
        audios=audios,
    )


def _implied(controller: Controller, only_usb: bool) -> bool:
    if controller.type == "usb":
        return only_usb and not controller.index and controller.model in (None, "piix3-uhci")
    return (controller.type, controller.index or 0, controller.model) == ("pci", 0, "pci-root")
