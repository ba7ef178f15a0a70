"""The secret driver's contract. A value never travels here: a token of the root's hand-over table does."""

from __future__ import annotations

from embervirt.actors.handover import Token
from embervirt.actors.messages import Event, Message, Request


class SecretRef(Message, frozen=True):
    """Which secret; ``usage_type`` is libvirt's virSecretUsageType, ``usage_id`` is unique within it."""

    uuid: str
    usage_type: int
    usage_id: str


class Define(Request[SecretRef], frozen=True):
    """Keep a secret, complete XML as rendered from the parsed model; its value is set apart."""

    safe = True
    uuid: str
    xml: str


class Undefine(Request[None], frozen=True):
    """Forget a secret and its value."""

    safe = True
    uuid: str


class SetValue(Request[None], frozen=True):
    """``token`` stands for the value, as bytes."""

    safe = True
    uuid: str
    token: Token


class GetValue(Request[Token], frozen=True):
    """Replies a token for the value. A private secret's is given to ``internal`` callers only: drivers.

    ``usage_type``: one for another use is refused; 0 asks nothing, and a secret for no use is for any.
    """

    safe = True
    uuid: str
    internal: bool = False
    usage_type: int = 0


class FindValue(Request[Token], frozen=True):
    """The same by usage, for drivers."""

    safe = True
    usage_type: int
    usage_id: str


class Rewrap(Request[None], frozen=True):
    """Protect the root's data key by another key; ``token`` stands for its provider."""

    safe = True
    token: Token


class SecretLifecycle(Event, frozen=True):
    """``event``: virSecretEventLifecycleType, 0 defined, 1 undefined."""

    uuid: str
    usage_type: int
    usage_id: str
    event: int
    detail: int = 0


class SecretValueChanged(Event, frozen=True):
    """It has a new value."""

    uuid: str
    usage_type: int
    usage_id: str
