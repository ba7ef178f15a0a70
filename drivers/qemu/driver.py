"""The entry point of the QEMU driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.qemu.actor.driver import QemuDriver
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.service import autostart


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read."""
    face = Face(environment)
    spec = environment.child("qemu", lambda context: QemuDriver(context, face))
    return Part(spec, face, face.settle, lambda: autostart.begin(face))


DRIVER = Driver("qemu", open_driver, uses=frozenset({"secret", "storage", "network"}))
