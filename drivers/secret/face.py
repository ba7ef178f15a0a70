"""What the secret driver has once for each root: published rows, ephemeral secrets, the source of its key."""

from __future__ import annotations

from embervirt.actors.bus import Bus
from embervirt.actors.table import Table
from embervirt.drivers.driver import Environment
from embervirt.drivers.secret.backend.keys import KeySource, key_source
from embervirt.drivers.secret.filters import matches
from embervirt.drivers.secret.reading import read_secret
from embervirt.drivers.secret.store import Memory
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.xml import render

KEY_FILE = "master.key"


class Face:
    """``rows`` by UUID; ``memory`` outlives the actor, so that its crash loses no ephemeral secret."""

    def __init__(self, environment: Environment) -> None:
        self.bus: Bus = environment.bus
        self.directory = environment.paths.secrets_etc
        self.rows: Table[str, SecretRow] = Table()
        self.memory = Memory()
        configured = environment.settings.secret.key_file or self.directory / KEY_FILE
        self.key: KeySource = key_source(environment.secret_key or configured)
        self.wished: tuple[KeySource, ...] = ()
        """Of changes of the key whose end nobody lived to see: one of these may be the key by now."""

    @staticmethod
    def read(text: str, *, strict: bool = False) -> tuple[str, str]:
        """Parse, complete and check; UUID and final XML. Raises XmlError and its leaves, SecretRejected."""
        secret = read_secret(text, strict=strict)
        return secret.uuid, render(secret)

    def select(self, flags: int) -> list[SecretRow]:
        """Those that match ``virConnectListAllSecretsFlags``, by UUID."""
        return sorted((row for row in self.rows.values() if matches(row, flags)), key=lambda row: row.uuid)
