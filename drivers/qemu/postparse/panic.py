"""A panic device that does not say which."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model.panic import Panic


def complete(panic: Panic) -> Panic:
    """The one of a PC."""
    return replace(panic, model=panic.model or "isa")
