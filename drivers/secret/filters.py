"""Which secrets a caller asks for: pure functions over what is published."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.secret.errors import NoSecret
from embervirt.drivers.secret.tables import SecretRow

EPHEMERAL, NO_EPHEMERAL, PRIVATE, NO_PRIVATE = 1, 2, 4, 8
"""virConnectListAllSecretsFlags, in two pairs of opposites."""

ALL = 15


def matches(row: SecretRow, flags: int) -> bool:
    """Whether ``flags`` ask for this one: of each pair any that is set; a pair without asks nothing."""
    return _fits(flags, row.ephemeral, EPHEMERAL, NO_EPHEMERAL) and _fits(
        flags, row.private, PRIVATE, NO_PRIVATE
    )


def _fits(flags: int, has: bool, wanted: int, unwanted: int) -> bool:
    return not flags & (wanted | unwanted) or bool(flags & (wanted if has else unwanted))


def by_usage(rows: Iterable[SecretRow], usage_type: int, usage_id: str) -> SecretRow:
    """The one for this usage; a secret without usage is not found by it. Raises NoSecret."""
    for row in rows:
        if usage_type and (row.usage_type, row.usage_id) == (usage_type, usage_id):
            return row
    raise NoSecret(f"no secret with matching usage '{usage_id}'")
