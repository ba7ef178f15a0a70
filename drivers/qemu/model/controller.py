"""``<controller>``, ``<input>``, ``<audio>``: what a machine has anyway, as libvirt writes it down."""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.xml import Element, Text, attr, child, choice, hexadecimal, integer
from embervirt.errors import ConfigUnsupported

MODELS = {
    "usb": ("none", "piix3-uhci", "qemu-xhci"),
    "pci": ("pci-root", "pcie-root", "pcie-root-port", "pcie-to-pci-bridge", "pci-bridge"),
    "sata": (),
    "ide": (),
}
"""Of each type of controller the models that are served; no model is needed where there is none."""


class ControllerModel(Element, tag="model"):
    name: str = attr(
        "name", choice("pcie-root-port", "pcie-pci-bridge", "pci-bridge", error=ConfigUnsupported)
    )


class ControllerTarget(Element, tag="target", refuse=("@busNr", "@hotplug", "@memReserve", "node", "@index")):
    chassis_nr: int | None = attr("chassisNr", integer(1, 255), default=None)
    chassis: int | None = attr("chassis", integer(0, 255), default=None)
    port: int | None = attr("port", hexadecimal(255), default=None)


class Controller(
    Element,
    tag="controller",
    refuse=("@ports", "@vectors", "driver", "master", "pcihole64", "@maxGrantFrames"),
):
    type: str = attr(
        "type",
        choice(*MODELS, later=("fdc", "scsi", "virtio-serial", "ccid", "xenbus", "isa")),
    )
    index: int | None = attr("index", integer(0, 255), default=None)
    model: str | None = attr("model", Text("[a-z0-9-]{1,40}", "a controller's model"), default=None)
    model_name: ControllerModel | None = child(ControllerModel, default=None)
    target: ControllerTarget | None = child(ControllerTarget, default=None)
    alias: Alias | None = child(Alias, default=None)
    address: Address | None = child(Address, default=None)


class Input(Element, tag="input", refuse=("driver", "source", "@model")):
    """Only what a PC has without asking: its PS/2 mouse and keyboard."""

    type: str = attr("type", choice("mouse", "keyboard", later=("tablet", "passthrough", "evdev")))
    bus: str | None = attr("bus", choice("ps2", later=("usb", "xen", "parallels", "virtio")), default=None)
    alias: Alias | None = child(Alias, default=None)


class Audio(Element, tag="audio", refuse=("input", "output")):
    id: int = attr("id", integer(1, 255))
    type: str = attr(
        "type",
        choice(
            "none", later=("alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "spice", "file", "dbus")
        ),
    )
