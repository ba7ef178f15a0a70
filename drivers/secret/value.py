"""A secret's value on its way through the program: no repr, log or traceback shows what it is."""

from __future__ import annotations

from typing import NoReturn


class SecretValue:
    """Holds bytes that only ``reveal`` gives. It cannot be pickled, so no message or job carries it."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves: for the one place that needs them, never for a local variable."""
        return self._value

    def __repr__(self) -> str:
        return "<secret value>"

    def __len__(self) -> int:
        return len(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be serialised")
