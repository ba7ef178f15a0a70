"""The secrets of a libvirtd in place of the root's own: values for other drivers, through libvirt-python."""

from __future__ import annotations

from functools import partial
from typing import Any

from embervirt import world
from embervirt.actors.actor import Context, handles
from embervirt.actors.handover import Token
from embervirt.actors.work import Work
from embervirt.drivers.libvirtd import Asking, Libvirtd, requests
from embervirt.drivers.libvirtd.connection import Operation
from embervirt.drivers.secret import messages
from embervirt.drivers.secret.errors import InvalidSecret, NoSecret
from embervirt.drivers.secret.service import check_use
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import libvirtError

LEAVES: dict[int, type[libvirtError]] = {each.code: each for each in (InvalidSecret, NoSecret)}


class SecretsElsewhere(Asking):
    """Values only: definitions are that libvirtd's, and its own programs' to change."""

    driver = "secret"
    refused = requests(messages) - {messages.GetValue, messages.FindValue}

    def __init__(self, context: Context, libvirtd: Libvirtd) -> None:
        super().__init__(context)
        self.libvirtd = libvirtd

    @handles(messages.GetValue)
    def get_value(self, request: messages.GetValue) -> Work[Token]:
        """A token."""
        return self._value(partial(_by_uuid, request))

    @handles(messages.FindValue)
    def find_value(self, request: messages.FindValue) -> Work[Token]:
        """A token."""
        return self._value(partial(_by_usage, request))

    def _value(self, operation: Operation) -> Work[Token]:
        try:
            value: SecretValue = yield from self.ask(operation)
        except InvalidSecret as error:
            text = f"{error.detail}: a libvirtd gives the value of a private secret to nobody outside of it"
            raise InvalidSecret(f"{text}; expected one with private='no'") from error
        return self.bus.handover.put(value, self.activity.deadline or world.monotonic() + self.bus.seconds)


def _by_uuid(request: messages.GetValue, conn: Any) -> SecretValue:
    secret = conn.secretLookupByUUIDString(request.uuid)
    check_use(request.uuid, secret.usageType(), request.usage_type)
    return SecretValue(secret.value())


def _by_usage(request: messages.FindValue, conn: Any) -> SecretValue:
    return SecretValue(conn.secretLookupByUsage(request.usage_type, request.usage_id).value())
