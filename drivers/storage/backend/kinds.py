"""Which kinds of pool are run, and by what."""

from __future__ import annotations

from embervirt.drivers.storage.backend.directory import Directory
from embervirt.drivers.storage.backend.protocol import Backend
from embervirt.drivers.storage.errors import StorageNotSupported
from embervirt.drivers.storage.model import Pool

BACKENDS: dict[str, Backend] = {"dir": Directory()}


def backend(pool: Pool) -> Backend:
    """Raises StorageNotSupported for a kind that is not run here."""
    found = BACKENDS.get(pool.type)
    if found is None:
        known = ", ".join(BACKENDS)
        text = f"pool '{pool.name}': pools of type '{pool.type}' are not served; expected one of: {known}"
        raise StorageNotSupported(text)
    return found
