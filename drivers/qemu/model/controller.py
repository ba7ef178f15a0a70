"""``<controller>``: what other devices are plugged into."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
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
    Device,
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
