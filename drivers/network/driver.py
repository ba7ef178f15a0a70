"""The entry point of the network driver."""

from __future__ import annotations

from collections.abc import Callable

from embervirt.actors.actor import Actor, Context
from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.libvirtd import Libvirtd
from embervirt.drivers.network.actor.driver import NetworkDriver
from embervirt.drivers.network.elsewhere import LEAVES, NetworksElsewhere
from embervirt.drivers.network.face import Face
from embervirt.drivers.network.service import autostart
from embervirt.supervisor.processes import PROCESSES_ACTOR
from embervirt.supervisor.spec import ChildSpec


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read; or one whose networks are those of a libvirtd."""
    face = Face(environment)
    uri = environment.settings.qemu.network_uri
    if uri is not None:
        libvirtd = Libvirtd(uri, LEAVES)
        environment.resources.callback(libvirtd.close)
        made = _child(environment, lambda context: NetworksElsewhere(context, face, libvirtd))
        return Part(made, face, elsewhere=uri)
    stamp = face.paths.networks_run / "autostarted"
    spec = _child(environment, lambda context: NetworkDriver(context, face))
    return Part(spec, face, begin=lambda: autostart.begin(face.bus, face.tables, stamp))


def _child(environment: Environment, make: Callable[[Context], Actor]) -> ChildSpec:
    return environment.child("network", make, uses=frozenset({PROCESSES_ACTOR}))


DRIVER = Driver("network", open_driver)
