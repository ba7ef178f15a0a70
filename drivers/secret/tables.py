"""What the secret driver publishes and any thread reads: the definitions, never a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SecretRow:
    """A secret as defined. ``xml`` as on disk and as ``XMLDesc`` gives it.

    ``usage_type`` is libvirt's virSecretUsageType; ``usage_id`` is "" for type 0, none.
    """

    uuid: str
    usage_type: int
    usage_id: str
    xml: str
    ephemeral: bool
    private: bool
