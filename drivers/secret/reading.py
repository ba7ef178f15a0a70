"""From XML to a checked definition, and from that to what is published."""

from __future__ import annotations

from embervirt.drivers.secret.errors import VIR_FROM_SECRET
from embervirt.drivers.secret.model import Secret, postparse
from embervirt.drivers.secret.tables import SecretRow
from embervirt.drivers.secret.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import errors_of


def read_secret(xml: str | bytes, *, strict: bool = False) -> Secret:
    """A complete definition, with a new UUID when it names none; pure, for any thread.

    ``strict``: unknown elements and attributes are errors. Raises XmlError and its leaves, UnknownUsage,
    SecretRejected.
    """
    with errors_of(VIR_FROM_SECRET):
        secret = postparse(parse(Secret, xml, strict=strict))
        validate(secret)
        return secret


def row_of(secret: Secret) -> SecretRow:
    """Of a complete definition."""
    usage = secret.usage_type, secret.usage_id
    return SecretRow(secret.uuid, *usage, render(secret), secret.ephemeral, secret.private)
