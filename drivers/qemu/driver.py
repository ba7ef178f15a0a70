"""The entry point of the QEMU driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.qemu.actor.driver import QemuDriver
from embervirt.drivers.qemu.face import Face


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read."""
    face = Face(environment)
    return Part(environment.child("qemu", lambda context: QemuDriver(context, face)), face, face.settle)


DRIVER = Driver("qemu", open_driver, uses=frozenset({"secret"}))
