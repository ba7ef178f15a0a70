"""The entry point of the storage driver."""

from __future__ import annotations

from embervirt.drivers.driver import Driver, Environment, Part
from embervirt.drivers.libvirtd import Libvirtd
from embervirt.drivers.storage.actor.driver import StorageDriver
from embervirt.drivers.storage.elsewhere import LEAVES, StorageElsewhere
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.service import autostart


def open_driver(environment: Environment) -> Part:
    """Its actor, and the face that handles read; or one that asks the libvirtd that the settings name."""
    uri = environment.settings.qemu.storage_uri
    if uri is not None:
        libvirtd = Libvirtd(uri, LEAVES)
        environment.resources.callback(libvirtd.close)
        made = environment.child("storage", lambda context: StorageElsewhere(context, libvirtd))
        return Part(made, elsewhere=uri)
    face = Face(environment)
    spec = environment.child("storage", lambda context: StorageDriver(context, face))
    stamp = face.paths.storage_run / "autostarted"
    return Part(spec, face, begin=lambda: autostart.begin(face.bus, face.tables, stamp))


DRIVER = Driver("storage", open_driver)
