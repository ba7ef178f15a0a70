"""The rules of a script as one process follows them: which actions a step gets. Pure, but for its counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

COMMAND = "*"
"""The step that is every command."""

NOW = "now"
"""The step that comes at once, in the processes that a rule names."""

PROBE = ""
"""The name of a guest for processes without one: those that are only asked what QEMU can do."""

Rule = dict[str, Any]
"""``id`` grows; ``step``; ``guest`` None for all, or a name; ``after`` and ``times`` (None: no end) count;
``do`` are pairs of an action's name and its arguments; ``pids`` of ``NOW``; ``since`` of ``spawn``."""

Actions = list[tuple[str, dict[str, Any]]]


class Script:
    """``guest``: name of the guest of this process, or ``PROBE``."""

    def __init__(self, guest: str) -> None:
        self._guest = guest
        self._rules: list[Rule] = []
        self._seen: dict[int, int] = {}

    def load(self, rules: Iterable[Rule]) -> None:
        """Follow these from now on; what was counted for one that stays counts on."""
        self._rules = [rule for rule in rules if self.is_for(rule, self._guest)]

    @staticmethod
    def is_for(rule: Rule, guest: str) -> bool:
        """Whether a guest of that name follows it."""
        return guest != PROBE if rule["guest"] is None else bool(rule["guest"] == guest)

    def of(self, step: str) -> list[Rule]:
        """The rules for a step."""
        return [rule for rule in self._rules if rule["step"] == step]

    def count(self, rule: Rule, seen: int) -> None:
        """Its step came so often before."""
        self._seen[rule["id"]] = seen

    def take(self, *steps: str) -> Actions:
        """A step comes, under any of its names: the actions of the newest rule whose turn it is."""
        actions: Actions = []
        for rule in self._rules:
            if rule["step"] in steps and self._is_due(rule):
                actions = rule["do"]
        return actions

    def take_now(self, pid: int) -> Iterator[Actions]:
        """Those for process ``pid`` that it has not had."""
        for rule in self.of(NOW):
            if pid in rule["pids"] and self._is_due(rule | {"after": 0, "times": 1}):
                yield rule["do"]

    def _is_due(self, rule: Rule) -> bool:
        seen = self._seen.get(rule["id"], 0)
        self._seen[rule["id"]] = seen + 1
        past = seen - rule["after"]
        return past >= 0 and (rule["times"] is None or past < rule["times"])
