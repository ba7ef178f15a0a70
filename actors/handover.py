"""Objects that must not travel in messages (secret values, descriptors): a token does instead."""

from __future__ import annotations

from typing import Any, NewType

from embervirt import world
from embervirt.errors import InternalError

Token = NewType("Token", str)
"""Stands for an object of this process: no message with one in it, or in its reply, comes from outside."""


class Handover:
    """Maps a token to one object: taken once, freed at its deadline, all dropped at ``clear``."""

    def __init__(self) -> None:
        self._lock = world.Lock()
        self._held: dict[Token, tuple[float, Any]] = {}

    def put(self, value: Any, deadline: float) -> Token:
        """Keep ``value`` until ``deadline`` (monotonic seconds); the token says nothing about it."""
        token = Token(world.token_bytes(16).hex())
        with self._lock:
            self._expire()
            self._held[token] = (deadline, value)
        return token

    def take(self, token: Token) -> Any:
        """The object, once. Raises InternalError when it was taken or its deadline passed."""
        with self._lock:
            self._expire()
            held = self._held.pop(token, None)
        if held is None:
            raise InternalError("the handed-over object was taken already or its deadline passed")
        return held[1]

    def _expire(self) -> None:
        now = world.monotonic()
        for token in [token for token, (deadline, _) in self._held.items() if deadline < now]:
            del self._held[token]

    def clear(self) -> None:
        """Drop everything that nobody took."""
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)
