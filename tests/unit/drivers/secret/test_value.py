"""A value does not show itself."""

from __future__ import annotations

import copy
import pickle

import pytest

from embervirt.drivers.secret.value import SecretValue


def test_no_repr_or_format_shows_it() -> None:
    """Only ``reveal`` gives it."""
    value = SecretValue(b"hunter2")
    assert "hunter2" not in f"{value!r} {value} {[value]} {vars(type(value)).keys()}"
    assert (value.reveal(), len(value)) == (b"hunter2", 7)


def test_it_cannot_be_serialised() -> None:
    """Neither pickled nor copied into something that is."""
    for use in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be serialised"):
            use(SecretValue(b"hunter2"))
