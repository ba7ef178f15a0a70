"""From XML to a checked definition, and from that to what is published."""

from __future__ import annotations

from embervirt.drivers.secret.errors import VIR_FROM_SECRET
from embervirt.drivers.secret.model import Secret, postparse
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import XmlError


def read_secret(xml: str | bytes, *, strict: bool = False) -> Secret:
    """A complete definition, with a new UUID when it names none; pure, for any thread.

    ``strict``: unknown elements and attributes are errors. Raises XmlError and its leaves, UnknownUsage,
    SecretRejected.
    """
    secret = postparse(_parsed(xml, strict))
    validate(secret)
    return secret


def _parsed(xml: str | bytes, strict: bool) -> Secret:
    try:
        return parse(Secret, xml, strict=strict)
    except XmlError as error:
        if error.get_error_domain() == VIR_FROM_SECRET:
            raise
        raise type(error)(error.detail, virdomain=VIR_FROM_SECRET) from error


def row_of(secret: Secret) -> SecretRow:
    """Of a complete definition."""
    usage = secret.usage_type, secret.usage_id
    return SecretRow(secret.uuid, *usage, render(secret), secret.ephemeral, secret.private)
