"""Controllers: their numbers."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model import Controller


def numbered(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each with a number of its own within its type."""
    done: list[Controller] = []
    for controller in controllers:
        used = [other.index for other in (*controllers, *done) if other.type == controller.type]
        free = next(number for number in range(len(used) + 1) if number not in used)
        done.append(controller if controller.index is not None else replace(controller, index=free))
    return tuple(done)
