"""``virSecret`` and the connection's secret calls. Values pass by the hand-over table, never in a message."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from embervirt.drivers.secret import messages
from embervirt.drivers.secret.errors import NoSecret
from embervirt.drivers.secret.face import Face
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import NotSupported
from embervirt.libvirt.callbacks import Registration
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.named import Identified
from embervirt.libvirt.unbuilt import SECRET, unbuilt

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect


class virSecret(Identified):
    """A handle on one secret by UUID."""

    def __init__(self, conn: SecretCalls, row: SecretRow) -> None:
        self._conn, self._uuid = conn, row.uuid
        self._usage = row.usage_type, row.usage_id

    def __repr__(self) -> str:
        return f"<virSecret {self._uuid}>"

    def connect(self) -> virConnect:
        """The connection it was looked up on."""
        return cast("virConnect", self._conn)

    def usageType(self) -> int:
        """``virSecretUsageType``."""
        return self._usage[0]

    def usageID(self) -> str:
        """What it is for: a volume's path, a name, an iSCSI target; empty for usage type none."""
        return self._usage[1]

    def XMLDesc(self, flags: int = 0) -> str:
        """Its definition; never its value."""
        only(flags, 0, "XMLDesc")
        return self._conn._secret_row(self._uuid).xml

    def setValue(self, value: bytes, flags: int = 0) -> int:
        """Keep ``value``, bytes; durable and encrypted when this returns, unless the secret is ephemeral."""
        only(flags, 0, "setValue")
        if not isinstance(value, bytes):
            raise TypeError(f"a secret's value is bytes, not {type(value).__name__}")
        self._conn._check_writable("virSecretSetValue")
        root = self._conn.root
        token = root.bus.handover.put(SecretValue(value), time.monotonic() + root.bus.seconds)
        root.call("secret", messages.SetValue(self._uuid, token))
        return 0

    def value(self, flags: int = 0) -> bytes:
        """Its value. Raises InvalidSecret for a private one, NoSecret when none was set."""
        only(flags, 0, "value")
        self._conn._check_writable("virSecretGetValue")
        root = self._conn.root
        value: SecretValue = root.bus.handover.take(root.call("secret", messages.GetValue(self._uuid)))
        return value.reveal()

    def undefine(self) -> int:
        """Forget it and its value."""
        self._conn._check_writable("virSecretUndefine")
        self._conn.root.call("secret", messages.Undefine(self._uuid))
        return 0

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, SECRET, self)


def _row(face: Face, uuid: str) -> SecretRow:
    row = face.rows.get(uuid)
    if row is None:
        raise NoSecret(f"no secret with matching uuid '{uuid}'")
    return row


class SecretCalls(Connection):
    """The part of ``virConnect`` that concerns secrets."""

    @property
    def _secrets(self) -> Face:
        face: Face = self._face("secret")
        return face

    def _secret(self, row: SecretRow) -> virSecret:
        return virSecret(self, row)

    def _secret_row(self, uuid: str) -> SecretRow:
        return _row(self._secrets, uuid)

    def secretDefineXML(self, xml: str, flags: int = 0) -> virSecret:
        """Keep a definition; durable when this returns, unless it is ephemeral."""
        only(flags, 1, "secretDefineXML")
        self._check_writable("virSecretDefineXML")
        face = self._secrets  # after the call the connection may be closed; it has happened all the same
        uuid, text = face.read(xml, strict=bool(flags & 1))
        self.root.call("secret", messages.Define(uuid, text))
        return self._secret(_row(face, uuid))

    def secretLookupByUUIDString(self, uuidstr: str) -> virSecret:
        """Raises InvalidArgument, NoSecret."""
        return self._secret(self._secret_row(uuid_from_string(uuidstr)))

    def secretLookupByUUID(self, uuid: bytes) -> virSecret:
        """16 bytes. Raises NoSecret."""
        return self._secret(self._secret_row(uuid_text(uuid)))

    def secretLookupByUsage(self, usageType: int, usageID: str) -> virSecret:
        """One that is for nothing is found by its UUID only. Raises NoSecret."""
        for row in self._secrets.rows.values():
            if row.usage_type and (row.usage_type, row.usage_id) == (usageType, usageID):
                return self._secret(row)
        raise NoSecret(f"no secret with matching usage '{usageID}'")

    def listAllSecrets(self, flags: int = 0) -> list[virSecret]:
        """Those that match ``virConnectListAllSecretsFlags``."""
        only(flags, 0xF, "listAllSecrets")
        return [self._secret(row) for row in self._secrets.select(flags)]

    def listSecrets(self) -> list[str]:
        """All UUIDs as text."""
        return [row.uuid for row in self._secrets.select(0)]

    def numOfSecrets(self) -> int:
        """How many there are."""
        return len(self.listSecrets())

    def secretRewrap(self, provider: Any) -> None:
        """Not libvirt's: protect all values by another key, of a file's path or a callable of 32 bytes."""
        self._check_writable("secretRewrap")
        token = self.root.bus.handover.put(provider, time.monotonic() + self.root.bus.seconds)
        self.root.call("secret", messages.Rewrap(token))

    def secretEventRegisterAny(
        self, secret: virSecret | None, eventID: int, cb: Callable[..., Any], opaque: Any
    ) -> int:
        """Events of one secret or of all; answers the id for ``secretEventDeregisterAny``.

        LIFECYCLE (0): ``cb(conn, secret, event, detail, opaque)``; VALUE_CHANGED (1): the same without
        ``event`` and ``detail``.
        """
        uuid = None if secret is None else secret.UUIDString()

        def handle(event: Any) -> virSecret:
            return self._secret(SecretRow(event.uuid, event.usage_type, event.usage_id, "", False, False))

        def lifecycle(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, handle(event), event.event, event.detail, opaque)

        def changed(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, handle(event), opaque)

        kinds = {
            0: Registration(messages.SecretLifecycle, lifecycle),
            1: Registration(messages.SecretValueChanged, changed),
        }
        self._face("secret")
        if eventID not in kinds:
            raise NotSupported(f"secret event {eventID}; known are 0 (lifecycle) and 1 (value changed)")
        return self._register(kinds[eventID])

    def secretEventDeregisterAny(self, callbackID: int) -> int:
        """Raises InvalidArgument for an id that is not registered."""
        self._deregister(callbackID)
        return 0
