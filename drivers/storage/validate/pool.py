"""Rules of a pool's XML across its fields."""

from __future__ import annotations

from pathlib import PurePosixPath

from embervirt.drivers.storage.errors import StorageNotSupported, StorageUnsupported, StorageXml
from embervirt.drivers.storage.model import KINDS, Pool
from embervirt.drivers.storage.model.pool import CONFIG_OPTIONS
from embervirt.drivers.storage.validate.names import pool_name
from embervirt.drivers.storage.validate.source import validate_source


def validate_pool(pool: Pool) -> None:
    """Rules within a completed pool of any kind, as libvirt has them.

    Raises StorageXml, StorageUnsupported, StorageNotSupported, StorageSystemError.
    """
    _features(pool)
    _format(pool)
    pool_name(pool.name)
    validate_source(pool)
    _target(pool)
    _options(pool)


def served(pool: Pool) -> None:
    """Raises StorageNotSupported for a kind that this driver does not run."""
    if not pool.kind.served:
        known = ", ".join(name for name, kind in KINDS.items() if kind.served)
        raise StorageNotSupported(
            f"pool '{pool.name}': pools of type '{pool.type}' are not served; expected one of: {known}"
        )


def _format(pool: Pool) -> None:
    if pool.format is not None and pool.format not in pool.kind.formats:
        accepted = ", ".join(pool.kind.formats)
        raise StorageUnsupported(
            f"unknown pool format type {pool.format}: pools of type '{pool.type}' accept: {accepted}"
        )


def _target(pool: Pool) -> None:
    """A path is absolute here, though libvirt takes a relative one: its directory would be the program's."""
    if pool.kind.target == "given" and not pool.path:
        raise StorageXml(f"missing storage pool target path: pool '{pool.name}', expected <target><path>")
    if pool.path and not PurePosixPath(pool.path).is_absolute():
        raise StorageXml(
            f"pool '{pool.name}': target path '{pool.path}' is relative; expected an absolute one"
        )


def _features(pool: Pool) -> None:
    if pool.cow is not None and pool.type not in ("fs", "dir"):
        raise StorageNotSupported("cow feature may only be used for 'fs' and 'dir' pools")


def _options(pool: Pool) -> None:
    """Options have names, of rbd values as well."""
    for name in pool.mount_options:
        if name is None:
            raise StorageXml(f"no fs mount option name specified: pool '{pool.name}'")
    for name, value in pool.options(CONFIG_OPTIONS):
        if name is None:
            raise StorageXml(f"no rbd option name specified: pool '{pool.name}'")
        if value is None:
            raise StorageXml(f"no rbd option value specified for name '{name}': pool '{pool.name}'")
