"""What a specification refuses, and how it says so."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from embervirt.supervisor.spec import Backoff, ChildSpec, Supervision
from unit.supervisor.world import leaf, never


def test_defaults_are_otps_where_otp_has_them() -> None:
    """A permanent worker with 5 s to stop; a budget of 3 restarts in 5 s, one_for_one."""
    spec, flags = leaf("a"), Supervision()
    assert (spec.restart, spec.seconds, spec.start_timeout) == ("permanent", 5.0, 10.0)
    assert (flags.strategy, flags.intensity, flags.period) == ("one_for_one", 3, 5.0)


@pytest.mark.parametrize(
    ("shutdown", "seconds"), [("brutal", 0.0), ("infinity", float("inf")), (2, 2.0), (0.5, 0.5)]
)
def test_shutdown_is_a_time_to_stop(shutdown: Any, seconds: float) -> None:
    """OTP's three forms as seconds."""
    assert leaf("a", shutdown=shutdown).seconds == seconds


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": ""}, "child '': id '': expected a name"),
        ({"start": None}, "child 'a': start None: expected either start or supervision"),
        ({"supervision": Supervision()}, "child 'a': start"),
        ({"restart": "always"}, "child 'a': restart 'always': expected one of ('permanent', 'transient'"),
        ({"shutdown": "soon"}, "child 'a': shutdown 'soon': expected brutal, infinity or seconds"),
        ({"shutdown": -1}, "child 'a': shutdown -1: expected"),
        ({"shutdown": float("nan")}, "child 'a': shutdown nan: expected"),
        ({"start_timeout": 0}, "child 'a': start_timeout 0: expected more than 0 seconds"),
        ({"on_give_up": "panic"}, "child 'a': on_give_up 'panic': expected one of ('escalate',"),
        ({"children": (leaf("b"),)}, "child 'a': children"),
    ],
)
def test_a04_a_bad_field_is_refused_at_build(fields: dict[str, Any], said: str) -> None:
    """A04: the message names child, field, value and what is accepted."""
    with pytest.raises(ValueError) as caught:
        ChildSpec(**{"id": "a", "start": never, **fields})
    assert str(caught.value).startswith(said)


def test_a04_an_unknown_field_is_refused() -> None:
    """A04: OTP tolerates it, we do not; the message names the child, what there is, and what is missing."""
    with pytest.raises(TypeError, match="child 'a': intensty: expected one of id, start, supervision,"):
        leaf("a", intensty=3)
    with pytest.raises(TypeError, match="'id'"):
        ChildSpec(start=never)  # type: ignore[call-arg]
    assert copy.copy(leaf("a")) == replace(leaf("a"), id="a") == leaf("a")


def test_a01_two_children_of_one_id_are_refused() -> None:
    """A01, at build."""
    with pytest.raises(ValueError, match=r"child 's': children .* expected ids that differ"):
        ChildSpec(id="s", supervision=Supervision(), children=(leaf("a"), leaf("a")))


@pytest.mark.parametrize(
    "flags",
    [
        {"strategy": "all_for_one"},
        {"intensity": -1},
        {"period": 0.0},
        {"max_children": -1},
    ],
)
def test_bad_flags_are_refused(flags: dict[str, Any]) -> None:
    """With the value in the message."""
    with pytest.raises(ValueError, match=str(next(iter(flags.values())))):
        Supervision(**flags)


@pytest.mark.parametrize(
    "fields", [{"initial": -1}, {"initial": 2, "cap": 1}, {"factor": 0.5}, {"factor": 1e5}, {"jitter": 1.5}]
)
def test_a_backoff_that_could_not_be_computed_is_refused(fields: dict[str, Any]) -> None:
    """Negative delays, a shrinking or overflowing factor, a jitter of more than all."""
    with pytest.raises(ValueError, match="expected 0 <= initial <= cap, factor 1 to 1000, jitter 0 to 1"):
        Backoff(**fields)
