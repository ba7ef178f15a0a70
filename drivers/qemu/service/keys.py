"""Secrets on their way to QEMU: encrypted with the key of one run, which QEMU reads from a 0600 file."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embervirt.actors.bus import Bus
from embervirt.actors.messages import Request
from embervirt.drivers.qemu.model import EncryptionSecret
from embervirt.drivers.qemu.parts import KEY_BYTES, MASTER_KEY_FILE, EncryptedSecret, Known, encrypt
from embervirt.drivers.root.files import read, write
from embervirt.drivers.secret.messages import FindValue, GetValue

Call = Callable[[str, Request[Any]], Any]
USAGES = {"passphrase": 1, "ceph": 2, "iscsi": 3}
"""VIR_SECRET_USAGE_TYPE_* by the type of a disk's ``<secret usage=>``: an image's, an account's."""


@dataclass(frozen=True)
class MasterKey:
    """The random key of one run, never shown."""

    key: bytes = field(repr=False)

    @classmethod
    def create(cls, directory: Path) -> MasterKey:
        """A new one, written where QEMU will read it."""
        key = secrets.token_bytes(KEY_BYTES)
        write(directory / MASTER_KEY_FILE, key, durable=False)
        return cls(key)

    @classmethod
    def read(cls, directory: Path) -> MasterKey:
        """That of a run that was started before. Raises SystemError_."""
        return cls(read(directory / MASTER_KEY_FILE))

    def fetch(self, reference: EncryptionSecret | Known, call: Call, bus: Bus) -> EncryptedSecret:
        """A disk's secret from the secret driver. Raises NoSecret when there is none, or it has no value."""
        if isinstance(reference, Known):
            return encrypt(reference.value, self.key)
        if reference.uuid is not None:
            token = call("secret", GetValue(reference.uuid, internal=True))
        else:
            token = call("secret", FindValue(USAGES[reference.type], reference.usage or ""))
        return encrypt(bus.handover.take(token).reveal(), self.key)
