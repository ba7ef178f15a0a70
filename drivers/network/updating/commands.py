"""What every section has in common: commands, and where in a list they put something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from embervirt.drivers.network.errors import NetworkOperationUnsupported
from embervirt.drivers.xml import Element

E = TypeVar("E", bound=Element)
MODIFY, DELETE, ADD_LAST, ADD_FIRST = 1, 2, 3, 4
COMMANDS = {"modify": MODIFY, "delete": DELETE, "add-last": ADD_LAST, "add-first": ADD_FIRST}
"""``virNetworkUpdateCommand`` by the words of virsh, but ``add``, which is ``add-last``."""


def check_command(command: int) -> None:
    """Raises NetworkOperationUnsupported for a number that is none."""
    if command not in COMMANDS.values():
        accepted = ", ".join(f"{number} ({word})" for word, number in COMMANDS.items())
        text = f"unrecognized network update command code {command}"
        raise NetworkOperationUnsupported(f"{text}; expected one of: {accepted}")


def only_whole(command: int, what: str) -> None:
    """Raises NetworkOperationUnsupported for a modification of what is added and deleted only."""
    if command == MODIFY:
        raise NetworkOperationUnsupported(f"{what} cannot be modified, only added or deleted")


def added(items: Iterable[E], new: E, command: int) -> tuple[E, ...]:
    """With ``new`` at the end, or for ADD_FIRST before all others."""
    return (new, *items) if command == ADD_FIRST else (*items, new)


def without(items: Iterable[E], gone: E) -> tuple[E, ...]:
    """All but that very one."""
    return tuple(each for each in items if each is not gone)
