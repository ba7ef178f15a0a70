"""Panic devices."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model import Panic
from embervirt.drivers.qemu.model.address import IsaAddress
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Device, Part


def parts(panic: Panic, build: Build) -> Iterable[Part]:
    """Nothing for ``hyperv``, which is a feature of the CPU."""
    if panic.model != "hyperv":
        address = panic.address
        port = (address.iobase or 0) if isinstance(address, IsaAddress) else None
        yield Device("pvpanic", None, {} if port is None else {"ioport": port})
