"""Which actions a step gets: by name, by guest, by how often it came, and the newest rule wins."""

from __future__ import annotations

from typing import Any

import pytest

from embervirt.testing.script import COMMAND, NOW, PROBE, Rule, Script


def rule(id_: int, step: str, name: str, **rest: Any) -> Rule:
    """One with one action of that name."""
    return {"id": id_, "step": step, "do": [[name, {}]], "guest": None, "after": 0, "times": None} | rest


def script(*rules: Rule, guest: str = "a") -> Script:
    """Of a guest."""
    made = Script(guest)
    made.load(rules)
    return made


def names(made: Script, step: str, count: int = 1) -> list[str]:
    """What that many steps get; "-" for nothing."""
    taken = [made.take(step, COMMAND) for _ in range(count)]
    return [",".join(name for name, _ in actions) or "-" for actions in taken]


@pytest.mark.parametrize(
    ("limits", "gets"),
    [
        ({}, ["x", "x", "x", "x"]),
        ({"after": 2}, ["-", "-", "x", "x"]),
        ({"times": 1}, ["x", "-", "-", "-"]),
        ({"after": 1, "times": 2}, ["-", "x", "x", "-"]),
    ],
)
def test_a_rule_counts(limits: dict[str, Any], gets: list[str]) -> None:
    """After so many times, so many times."""
    assert names(script(rule(1, "stop", "x", **limits)), "stop", 4) == gets


def test_a_step_has_its_own_rules() -> None:
    """And those for any command; the count is that of the rule's step."""
    made = script(rule(1, "stop", "x", after=1), rule(2, COMMAND, "any", after=3))
    assert names(made, "cont", 2) == ["-", "-"]
    assert names(made, "stop", 2) == ["-", "any"]


def test_the_newest_rule_wins() -> None:
    """While it is its turn; the older one counts on meanwhile."""
    made = script(rule(1, "stop", "old", times=3), rule(2, "stop", "new", after=1, times=1))
    assert names(made, "stop", 4) == ["old", "new", "old", "-"]


def test_a_rule_is_for_a_guest() -> None:
    """Without a name it is for each of them, but not for who is only asked what it can do."""
    rules = (rule(1, "stop", "all"), rule(2, "stop", "a", guest="a"), rule(3, "stop", "probe", guest=PROBE))
    assert names(script(*rules), "stop") == ["a"]
    assert names(script(*rules, guest="b"), "stop") == ["all"]
    assert names(script(*rules, guest=PROBE), "stop") == ["probe"]


def test_a_new_script_keeps_the_counts_of_rules_that_stay() -> None:
    """And a rule that is gone has no effect."""
    first, second = rule(1, "stop", "x", after=2), rule(2, "cont", "y")
    made = script(first, second)
    assert names(made, "stop", 2) == ["-", "-"]
    made.load([first])
    assert names(made, "stop") == ["x"]
    assert names(made, "cont") == ["-"]


def test_a_prompt_is_taken_once_by_those_it_names() -> None:
    """Whether or not it is looked at again."""
    made = script(rule(1, NOW, "x", pids=[7]), rule(2, NOW, "y", pids=[8]))
    assert [name for actions in made.take_now(7) for name, _ in actions] == ["x"]
    assert list(made.take_now(7)) == []


def test_earlier_spawns_count() -> None:
    """A process is told how many there were before it."""
    spawn = rule(1, "spawn", "x", after=1, times=1)
    made = script(spawn)
    made.count(spawn, 1)
    assert names(made, "spawn") == ["x"]
    made.count(spawn, 2)
    assert names(made, "spawn") == ["-"]
