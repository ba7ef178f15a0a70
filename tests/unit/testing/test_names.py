"""The names of the package, which are loaded on first use."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

from embervirt import testing


def test_no_module_stands_in_the_way_of_a_name() -> None:
    """A module of the same name would take its place, once it is imported."""
    modules = {found.name for found in pkgutil.iter_modules(testing.__path__)}
    assert modules & set(testing.__all__) == set()


@pytest.mark.parametrize("name", testing.__all__)
def test_each_name_is_there(name: str) -> None:
    """And is what its own module has."""
    for module in ("actions", "fake", "script"):
        import_module(f"{testing.__name__}.{module}")
    assert not isinstance(getattr(testing, name), ModuleType)


def test_every_action_is_among_them() -> None:
    """Nothing must be imported from elsewhere."""
    actions = import_module(f"{testing.__name__}.actions")
    own = {
        name for name, each in vars(actions).items() if getattr(each, "__module__", "") == actions.__name__
    }
    assert own <= set(testing.__all__)


def test_other_names_are_refused() -> None:
    """As everywhere."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = testing.nonsense
