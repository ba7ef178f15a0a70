"""Objects of an element's class: made, changed and compared by their fields, however they came to be."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.xml import Element, attr, child, choice, integer, parse, render, replace, schema, text


class Bell(Element, tag="bell"):
    tone: str = attr("tone")


class Bike(Element, tag="bike"):
    gears: int = attr("gears", integer())
    name: str | None = text("name", default=None)
    colour: str = text("colour", default="black")
    bell: Bell | None = child(Bell, default=None)


VALUES = st.fixed_dictionaries(
    {"gears": st.integers(0, 30)},
    optional={
        "name": st.sampled_from(["a", "b"]),
        "colour": st.sampled_from(["black", "red"]),
        "bell": st.sampled_from(["c", "d"]).map(lambda tone: Bell(tone=tone)),
    },
)


@given(VALUES, VALUES)
def test_replacing_is_what_the_standard_library_does(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The fast replacement and that of dataclasses give equal objects, and the first stays as it was."""
    bike = Bike(**first)
    changed = replace(bike, **second)
    assert changed == dataclasses.replace(bike, **second) == Bike(**{**first, **second})
    assert bike == Bike(**first)
    assert render(changed) == render(dataclasses.replace(bike, **second))


@given(VALUES)
def test_a_default_that_was_said_is_one_that_was_not(values: dict[str, Any]) -> None:
    """Equality, hash and text do not tell what a document said from what its class says."""
    bike = Bike(**values)
    whole = Bike(gears=bike.gears, name=bike.name, colour=bike.colour, bell=bike.bell)
    assert (bike, hash(bike), repr(bike), render(bike)) == (whole, hash(whole), repr(whole), render(whole))
    assert parse(Bike, render(bike)) == bike == copy.deepcopy(bike) == pickle.loads(pickle.dumps(bike))


@pytest.mark.parametrize("make", [partial(Bike, gears=1), partial(replace, Bike(gears=1))])
def test_a_field_that_does_not_exist_is_named(make: Any) -> None:
    """A misspelt field is an error at once, not something that nobody ever reads."""
    with pytest.raises(TypeError, match="Bike has no field color"):
        make(color="red")


def test_a_field_that_must_be_given_is_named() -> None:
    """What has no default cannot be left out."""
    with pytest.raises(TypeError, match="Bike lacks gears"):
        Bike(name="a")  # type: ignore[call-arg]


class Wide(Element, tag="wide"):
    a: int | None = attr("a", integer(), default=None)
    b: str = attr("b", choice("x", "y"), default="x")
    c: str | None = attr("c", default=None)
    d: str | None = text("d", default=None)
    e: str = text("e", default="<")
    bell: Bell | None = child(Bell, default=None)


WIDE = {
    "a": (st.none() | st.integers(0, 9), " a='{}'"),
    "b": (st.sampled_from(["x", "y"]), " b='{}'"),
    "c": (st.none() | st.just("&"), " c='&amp;'"),
    "d": (st.none() | st.just("1"), "\n  <d>{}</d>"),
    "e": (st.just("<"), "\n  <e>&lt;</e>"),
    "bell": (st.none() | st.just(Bell(tone="c")), "\n  <bell tone='c'/>"),
}


@given(st.permutations(list(WIDE)), st.integers(0, 6), st.data())
def test_fields_are_written_in_their_order_whichever_are_given(
    order: list[str], count: int, data: st.DataObject
) -> None:
    """In whatever order an object got its fields, explicitly nothing among them, and however many ways of
    that came before."""
    given_: dict[str, Any] = {name: data.draw(WIDE[name][0]) for name in order[:count]}
    said = {"b": "x", "e": "<", **given_}
    parts = [WIDE[name][1].format(said[name]) for name in WIDE if said.get(name) is not None]
    inside = "".join(part for part in parts if part.startswith("\n"))
    attributes = "".join(part for part in parts if not part.startswith("\n"))
    assert render(Wide(**given_)) == f"<wide{attributes}>{inside}\n</wide>\n"


def test_what_is_remembered_of_a_class_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of many shapes fill no memory, and are written right beyond the bound too."""
    monkeypatch.setattr(schema, "MOST_PLANS", 2)
    Bike.__schema__._plans.clear()
    shapes: tuple[dict[str, Any], ...] = (
        {},
        {"name": "a"},
        {"colour": "red"},
        {"name": "a", "colour": "red"},
    )
    for shape in shapes * 2:
        bike = Bike(gears=3, **shape)
        assert parse(Bike, render(bike)) == bike
        assert len(Bike.__schema__._plans) <= schema.MOST_PLANS
