"""Rules of a secret's definition: within itself, and against those that are there."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.secret.errors import SecretConflict, SecretRejected
from embervirt.drivers.secret.model import USAGES, Secret
from embervirt.drivers.secret.tables import SecretRow


def validate(secret: Secret) -> None:
    """Rules within one definition. Raises SecretRejected."""
    if secret.usage is not None and secret.usage.id is None:
        _, field, missing = USAGES[secret.usage.type]
        expected = f"<usage type='{secret.usage.type}'><{field}>...</{field}></usage>"
        raise SecretRejected(f"{missing}: secret {secret.uuid}, expected {expected}")


def check_redefinition(secret: Secret, known: SecretRow | None, others: Iterable[SecretRow]) -> None:
    """May ``secret`` take the place of ``known``, or be new (None), beside ``others``?

    Raises SecretConflict: a secret keeps its usage, stays private, and has its usage alone.
    """
    if known is not None and known.usage_id != secret.usage_id:
        usage = known.usage_id or "nothing"
        raise SecretConflict(f"a secret with UUID {known.uuid} is already defined for use with {usage}")
    if known is not None and known.private and not secret.private:
        raise SecretConflict(f"cannot change private flag on existing secret {known.uuid}")
    for other in others:
        if secret.usage and (other.usage_type, other.usage_id) == (secret.usage_type, secret.usage_id):
            what = f"a secret with UUID {other.uuid} already defined for use with {other.usage_id}"
            raise SecretConflict(what)
