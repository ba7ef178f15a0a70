"""Guests that start with the host: once for each of its starts, when the root is first opened after it."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from embervirt import world
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import AutostartFailed, Create
from embervirt.drivers.qemu.tables import Definition, Tables
from embervirt.drivers.root.once import done, mark
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import libvirtError
from embervirt.log import get_logger


def begin(face: Face) -> None:
    """Start those that are due, in the thread that opens the root, and wait for them.

    One that does not start is reported, and the others are started; the stamp is made when all were tried.
    """
    try:
        rows = due(face.paths, face.tables)
        if rows:
            quiet = partial(signal.pthread_sigmask, signal.SIG_BLOCK, world.SIGNALS)
            most, name = face.settings.qemu.parallel_starts, "embervirt-autostart"
            with ThreadPoolExecutor(most, name, initializer=quiet) as threads:
                list(threads.map(lambda row: _start(face, row), rows))
        if not done(face.paths.autostarted):
            mark(face.paths.autostarted)
    except libvirtError as error:
        get_logger(driver="qemu").error("autostart", error=str(error))


def _start(face: Face, row: Definition) -> None:
    try:
        face.bus.call("qemu", Create(row.uuid))
    except libvirtError as error:
        get_logger(driver="qemu", domain=row.name).error("autostart failed", error=str(error))
        face.bus.publish(AutostartFailed(row.name, row.uuid, -1, str(error)))


def due(paths: RootPaths, tables: Tables) -> list[Definition]:
    """The domains to start now, by name: those with autostart that do not run, unless it was done."""
    if done(paths.autostarted):
        return []
    rows = [row for row in tables.definitions.values() if row.autostart]
    return sorted((row for row in rows if tables.running.get(row.uuid) is None), key=lambda row: row.name)
