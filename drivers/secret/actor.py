"""The actor ``secret``: message, service, reply. Values go through the hand-over table."""

from __future__ import annotations

from embervirt import world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.handover import Token
from embervirt.drivers.secret.backend.keys import key_source
from embervirt.drivers.secret.backend.vault import Vault
from embervirt.drivers.secret.face import Face
from embervirt.drivers.secret.filters import by_usage
from embervirt.drivers.secret.messages import (
    Define,
    FindValue,
    GetValue,
    Rewrap,
    SecretLifecycle,
    SecretRef,
    SecretValueChanged,
    SetValue,
    Undefine,
)
from embervirt.drivers.secret.reading import read_secret
from embervirt.drivers.secret.service import SecretService
from embervirt.drivers.secret.store import Disk
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.value import SecretValue

DEFINED, UNDEFINED = 0, 1


class SecretDriver(Actor):
    """Keeps nothing of its own: definitions and values are on disk, ephemeral ones with the root."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context)
        self._face = face
        self._vault = Vault(face.directory, face.key, context.fence, face.wished)
        disk = Disk(face.directory, self._vault, context.fence)
        self._service = SecretService(disk, face.memory, face.rows, context.fence)

    def setup(self) -> None:
        """Publish what is on disk; take over what libvirt left."""
        self._service.load()

    @handles(Define)
    def define(self, request: Define) -> SecretRef:
        """Durable when this replies, unless it is ephemeral."""
        row = self._service.define(read_secret(request.xml))
        self._announce(row, DEFINED)
        return SecretRef(row.uuid, row.usage_type, row.usage_id)

    @handles(Undefine)
    def undefine(self, request: Undefine) -> None:
        """The value goes with it."""
        self._announce(self._service.undefine(request.uuid), UNDEFINED)

    @handles(SetValue)
    def set_value(self, request: SetValue) -> None:
        """Encrypted and durable when this replies, unless it is ephemeral."""
        row = self._service.set_value(request.uuid, self.bus.handover.take(request.token))
        self.publish(SecretValueChanged(row.uuid, row.usage_type, row.usage_id))

    @handles(GetValue)
    def get_value(self, request: GetValue) -> Token:
        """A token."""
        internal, usage = request.internal, request.usage_type
        return self._token(self._service.get_value(request.uuid, internal=internal, usage_type=usage))

    @handles(FindValue)
    def find_value(self, request: FindValue) -> Token:
        """A token."""
        row = by_usage(self._face.rows.values(), request.usage_type, request.usage_id)
        return self._token(self._service.get_value(row.uuid, internal=True))

    @handles(Rewrap)
    def rewrap(self, request: Rewrap) -> None:
        """From now on the root's values open with the new key only."""
        source = key_source(self.bus.handover.take(request.token))
        self._face.wished = (source, *self._face.wished)
        self._vault.rewrap(source)
        with self.context.fence.guard():
            self._face.key, self._face.wished = source, ()

    def _token(self, value: SecretValue) -> Token:
        return self.bus.handover.put(value, self.activity.deadline or world.monotonic() + self.bus.seconds)

    def _announce(self, row: SecretRow, event: int) -> None:
        self.publish(SecretLifecycle(row.uuid, row.usage_type, row.usage_id, event))
