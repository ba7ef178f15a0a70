"""The guest's master key: QEMU reads it from a file of the run, and decrypts every other secret with it."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.qemu.parts.part import Object

MASTER_KEY = "masterKey0"
"""Id of the object."""

MASTER_KEY_FILE = "master-key.aes"
"""Its file, raw bytes, in the directory of the run."""


def master_key(domain_dir: str) -> Object:
    """The object that all others name by ``keyid``."""
    return Object("secret", MASTER_KEY, {"format": "raw", "file": str(Path(domain_dir) / MASTER_KEY_FILE)})
