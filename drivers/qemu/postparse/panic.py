"""A panic device that does not say which."""

from __future__ import annotations

from embervirt.drivers.qemu.model.panic import Panic
from embervirt.drivers.xml import replace


def complete(panic: Panic) -> Panic:
    """The one of a PC."""
    return replace(panic, model=panic.model or "isa")
