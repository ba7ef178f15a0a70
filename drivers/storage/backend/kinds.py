"""What runs each kind of pool that is run; which these are is in ``model/kinds``."""

from __future__ import annotations

from embervirt.drivers.storage.backend.directory import Directory
from embervirt.drivers.storage.backend.logical import Logical
from embervirt.drivers.storage.backend.mounted import FileSystem, Mounted
from embervirt.drivers.storage.backend.partitioned import Partitioned
from embervirt.drivers.storage.backend.protocol import Backend
from embervirt.drivers.storage.model import KINDS, Pool
from embervirt.drivers.storage.validate import served

_RUN: dict[str, Backend] = {
    "dir": Directory(),
    "fs": FileSystem(),
    "netfs": Mounted(),
    "logical": Logical(),
    "disk": Partitioned(),
}
BACKENDS: dict[str, Backend] = {name: _RUN[name] for name, kind in KINDS.items() if kind.served}
"""A kind that is served without a backend fails on import."""


def backend(pool: Pool) -> Backend:
    """Raises StorageNotSupported for a kind that is not run here."""
    served(pool)
    return BACKENDS[pool.type]
