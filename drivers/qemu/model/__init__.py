"""What a domain's XML can say: one class for an element, one file for a noun."""

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.qemu.model.chardev import Console, Serial
from embervirt.drivers.qemu.model.controller import Controller
from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.qemu.model.disk import Disk, DiskDriver, Encryption, EncryptionSecret
from embervirt.drivers.qemu.model.domain import Devices, Domain, model_of
from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.memballoon import Memballoon
from embervirt.drivers.qemu.model.rng import Rng
from embervirt.drivers.qemu.model.sound import Audio

__all__ = [
    "Address",
    "Alias",
    "Audio",
    "Console",
    "Controller",
    "Device",
    "Devices",
    "Disk",
    "DiskDriver",
    "Domain",
    "Encryption",
    "EncryptionSecret",
    "Input",
    "Interface",
    "Memballoon",
    "Rng",
    "Serial",
    "model_of",
]
