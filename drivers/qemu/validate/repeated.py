"""What stands twice in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def repeated(items: Sequence[T]) -> T | None:
    """The first item that stands there a second time."""
    return next((item for number, item in enumerate(items) if item in items[:number]), None)
