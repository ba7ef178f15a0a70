"""What a domain's XML can say: one class for an element, one file for a noun."""

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.qemu.model.chardev import Channel, Console, Parallel, Serial
from embervirt.drivers.qemu.model.controller import Controller
from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.qemu.model.disk import Disk, DiskDriver, Encryption, EncryptionSecret
from embervirt.drivers.qemu.model.domain import Devices, Domain, model_of, written
from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.hub import Hub
from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.memballoon import Memballoon
from embervirt.drivers.qemu.model.panic import Panic
from embervirt.drivers.qemu.model.rng import Rng
from embervirt.drivers.qemu.model.sound import Audio, Sound
from embervirt.drivers.qemu.model.tpm import Tpm
from embervirt.drivers.qemu.model.video import Video
from embervirt.drivers.qemu.model.vsock import Vsock
from embervirt.drivers.qemu.model.watchdog import Watchdog

__all__ = [
    "Address",
    "Alias",
    "Audio",
    "Channel",
    "Console",
    "Controller",
    "Device",
    "Devices",
    "Disk",
    "DiskDriver",
    "Domain",
    "Encryption",
    "EncryptionSecret",
    "Graphics",
    "Hub",
    "Input",
    "Interface",
    "Memballoon",
    "Panic",
    "Parallel",
    "Rng",
    "Serial",
    "Sound",
    "Tpm",
    "Video",
    "Vsock",
    "Watchdog",
    "model_of",
    "written",
]
