"""Where a switch sends a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.switch.fabric import LEARNED, OWN, Fabric

HOST, ALL = bytes.fromhex("525400000001"), b"\xff" * 6
A, B, C = (bytes.fromhex(f"52540000000{n}") for n in "abc")


def frame(receiver: bytes, sender: bytes) -> bytes:
    """With nothing in it."""
    return receiver + sender + b"\x08\x00"


@pytest.fixture
def fabric() -> Fabric:
    """Ports a and b, and two that are isolated."""
    made = Fabric(HOST)
    made.join({"a": False, "b": False, "i": True, "j": True})
    return made


def test_a_frame_for_nobody_known_goes_to_all_others(fabric: Fabric) -> None:
    """And one for everybody."""
    assert list(fabric.targets("a", frame(B, A))) == [OWN, "b", "i", "j"]
    assert list(fabric.targets("a", frame(ALL, A))) == [OWN, "b", "i", "j"]


def test_a_frame_goes_where_its_receiver_was_last_heard(fabric: Fabric) -> None:
    """Also when it has moved since; the switch's own host needs not be heard."""
    fabric.targets("b", frame(ALL, B))
    assert list(fabric.targets("a", frame(B, A))) == ["b"]
    fabric.targets("i", frame(ALL, B))
    assert list(fabric.targets("a", frame(B, A))) == ["i"]
    assert list(fabric.targets("a", frame(HOST, A))) == [OWN]


def test_isolated_ports_do_not_reach_each_other(fabric: Fabric) -> None:
    """By no kind of frame; others, and the host, they do."""
    assert list(fabric.targets("i", frame(ALL, A))) == [OWN, "a", "b"]
    fabric.targets("j", frame(ALL, C))
    assert list(fabric.targets("i", frame(C, A))) == []
    assert list(fabric.targets("i", frame(HOST, A))) == [OWN]


def test_a_port_that_left_is_forgotten(fabric: Fabric) -> None:
    """What was behind it is looked for everywhere."""
    fabric.targets("b", frame(ALL, B))
    fabric.join({"a": False, "c": False})
    assert list(fabric.targets("a", frame(B, A))) == [OWN, "c"]


def test_nobody_takes_the_hosts_address(fabric: Fabric) -> None:
    """A guest that sends in its name hears nothing of what is for it."""
    fabric.targets("a", frame(ALL, HOST))
    assert list(fabric.targets("b", frame(HOST, B))) == [OWN]


@given(st.lists(st.binary(max_size=20)))
def test_any_bytes_go_to_ports_that_are_there(frames: list[bytes]) -> None:
    """And never back."""
    made = Fabric(HOST)
    made.join({"a": False, "b": False})
    for each in frames:
        assert set(made.targets("a", each)) <= {OWN, "b"}


def test_memory_is_bounded() -> None:
    """Whatever number of addresses a guest makes up."""
    made = Fabric(HOST)
    made.join({"a": False, "b": False})
    for number in range(LEARNED * 2):
        made.targets("a", frame(ALL, b"\x52" + number.to_bytes(5, "big")))
    assert len(made._heard) <= LEARNED
    assert list(made.targets("b", frame(HOST, B))) == [OWN]
