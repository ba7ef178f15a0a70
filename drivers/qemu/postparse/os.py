"""The machine type and the boot order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model.os import Boot, Os

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def complete(os: Os, caps: Capabilities) -> Os:
    """Architecture and machine of the emulator; an alias of a machine becomes the machine."""
    arch = os.type.arch or caps.arch
    machine = os.type.machine or _default_machine(caps)
    concrete = caps.aliases.get(machine, machine)
    return replace(
        os, type=replace(os.type, arch=arch, machine=concrete), boots=os.boots or (Boot(dev="hd"),)
    )


def _default_machine(caps: Capabilities) -> str:
    return next((name for name, machine in sorted(caps.machines.items()) if machine.default), "pc")
