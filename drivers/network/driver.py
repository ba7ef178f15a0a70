"""The entry point of the network driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.network.actor.driver import NetworkDriver
from embervirt.drivers.network.face import Face
from embervirt.drivers.network.service import autostart
from embervirt.supervisor.processes import PROCESSES_ACTOR


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read."""
    face = Face(environment)
    spec = environment.child(
        "network", lambda context: NetworkDriver(context, face), uses=frozenset({PROCESSES_ACTOR})
    )
    stamp = face.paths.networks_run / "autostarted"
    return Part(spec, face, begin=lambda: autostart.begin(face.bus, face.tables, stamp))


DRIVER = Driver("network", open_driver)
