"""Variables of filters: their values, and every rule that one rule is with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from embervirt.drivers.network.nwfilter.bindings import Condition, Variable, canonical, variable
from embervirt.drivers.network.nwfilter.errors import FilterValue
from embervirt.drivers.network.nwfilter.model import FilterRef
from embervirt.drivers.network.nwfilter.protocols import KINDS

Values = Mapping[str, tuple[str, ...]]
"""A variable's list, by its name."""

LEARNED = "@learned"
"""The value of IP that nobody gave: a set, to which the guest's own addresses come when they are seen."""


def values_of(reference: FilterRef) -> Values:
    """What the parameters of a reference say."""
    found: dict[str, tuple[str, ...]] = {}
    for each in reference.parameters:
        found[each.name] = (*found.get(each.name, ()), each.value)
    return found


def expanded(condition: Condition, values: Values) -> Iterator[Condition]:
    """The condition for each combination of its variables' values, each once.

    Variables of one iterator go through their lists in step; of several, the last named goes slowest. Raises
    FilterValue for a variable without value, lists of different length in step, a value of the wrong kind.
    """
    given = {name: found for name, text in condition.values.items() if (found := _variable(name, text))}
    steps: dict[int, list[dict[str, str]]] = {}
    for number in dict.fromkeys(each.index for each in given.values() if each.iterated):
        names = {name: each.name for name, each in given.items() if each.iterated and each.index == number}
        steps[number] = _in_step(names, values)
    fixed = {name: _element(each, values) for name, each in given.items() if not each.iterated}
    seen: set[tuple[str, ...]] = set()
    for slowest_first in product(*reversed(steps.values())):
        chosen = {**fixed, **{name: text for step in slowest_first for name, text in step.items()}}
        key = tuple(chosen[name] for name in given)
        if key not in seen:
            seen.add(key)
            yield _with(condition, chosen)


def _variable(name: str, text: str) -> Variable | None:
    return variable(text) if name != "comment" else None


def _in_step(names: Mapping[str, str], values: Values) -> list[dict[str, str]]:
    lists = {name: _list(called, called, values) for name, called in names.items()}
    if len({len(each) for each in lists.values()}) > 1:
        sizes = ", ".join(f"{names[name]} has {len(each)}" for name, each in lists.items())
        raise FilterValue(
            f"Cardinality of list items must be the same for processing them in parallel; {sizes}"
        )
    return [dict(zip(lists, step, strict=True)) for step in zip(*lists.values(), strict=True)]


def _element(wanted: Variable, values: Values) -> str:
    found = _list(wanted.name, str(wanted)[1:], values)
    if wanted.index >= len(found):
        raise _missing(str(wanted)[1:])
    return found[wanted.index]


def _list(name: str, shown: str, values: Values) -> tuple[str, ...]:
    if not values.get(name):
        raise _missing(shown)
    return values[name]


def _missing(shown: str) -> FilterValue:
    text = "Cannot instantiate filter due to unresolvable variables or unavailable list elements"
    return FilterValue(f"{text}: {shown}; a <parameter name='...' value='...'/> of the filterref gives it")


def _with(condition: Condition, chosen: Mapping[str, str]) -> Condition:
    kinds = KINDS[condition.protocol]
    where = f"<{condition.protocol}>"
    done = {
        name: text if text == LEARNED else canonical(name, kinds[name], text, where)
        for name, text in chosen.items()
    }
    return Condition(condition.protocol, {**condition.values, **done}, condition.negated)
