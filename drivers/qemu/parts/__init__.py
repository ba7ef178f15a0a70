"""Compiling a domain into typed parts of QEMU, and the renderings of a part: argv and QMP."""

from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.compiling import compile, missing, of_device, parts_of
from embervirt.drivers.qemu.parts.context import (
    KEY_BYTES,
    CompileContext,
    EncryptedSecret,
    Known,
    Net,
    encrypt,
)
from embervirt.drivers.qemu.parts.disk import medium, top
from embervirt.drivers.qemu.parts.part import (
    Audiodev,
    Blockdev,
    Chardev,
    Device,
    MachineOptions,
    Netdev,
    Object,
    Option,
    Part,
    Pluggable,
    WatchdogAction,
)
from embervirt.drivers.qemu.parts.render import argv, plug, unplug
from embervirt.drivers.qemu.parts.secret import MASTER_KEY_FILE

__all__ = [
    "KEY_BYTES",
    "MASTER_KEY_FILE",
    "Audiodev",
    "Blockdev",
    "Build",
    "Chardev",
    "CompileContext",
    "Device",
    "EncryptedSecret",
    "Known",
    "MachineOptions",
    "Net",
    "Netdev",
    "Object",
    "Option",
    "Part",
    "Pluggable",
    "WatchdogAction",
    "argv",
    "compile",
    "encrypt",
    "medium",
    "missing",
    "of_device",
    "parts_of",
    "plug",
    "top",
    "unplug",
]
