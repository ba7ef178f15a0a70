"""Compiling a domain into typed parts of QEMU, and the renderings of a part: argv and QMP."""

from embervirt.drivers.qemu.parts.compiling import compile
from embervirt.drivers.qemu.parts.context import KEY_BYTES, CompileContext, EncryptedSecret, encrypt
from embervirt.drivers.qemu.parts.part import (
    Blockdev,
    Chardev,
    Device,
    MachineOptions,
    Netdev,
    Object,
    Option,
    Part,
    Pluggable,
)
from embervirt.drivers.qemu.parts.render import argv, plug, unplug
from embervirt.drivers.qemu.parts.secret import MASTER_KEY_FILE

__all__ = [
    "KEY_BYTES",
    "MASTER_KEY_FILE",
    "Blockdev",
    "Chardev",
    "CompileContext",
    "Device",
    "EncryptedSecret",
    "MachineOptions",
    "Netdev",
    "Object",
    "Option",
    "Part",
    "Pluggable",
    "argv",
    "compile",
    "encrypt",
    "plug",
    "unplug",
]
