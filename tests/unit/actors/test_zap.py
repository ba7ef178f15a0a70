"""Who may connect by TCP: the answers to ZeroMQ's questions."""

from __future__ import annotations

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from zmq.utils import z85

from embervirt.actors.gateway.zap import verdict

KNOWN = zmq.curve_keypair()[0]
KEYS = frozenset([KNOWN.decode()])


def question(**changed: bytes) -> list[bytes]:
    """As libzmq puts it, with one frame another."""
    frames = {
        "who": b"\0abcd",
        "empty": b"",
        "version": b"1.0",
        "request": b"7",
        "domain": b"embervirt",
        "address": b"127.0.0.1",
        "identity": b"",
        "mechanism": b"CURVE",
        "key": z85.decode(KNOWN),
    }
    return [*(frames | changed).values()]


def test_a_known_key_is_let_in() -> None:
    """The answer goes back where the question came from, under its number."""
    answer = [b"\0abcd", b"", b"1.0", b"7", b"200", b"OK", b"", b""]
    assert verdict(question(), lambda: KEYS) == answer


@pytest.mark.parametrize(
    "changed",
    [
        {"domain": b"other"},
        {"mechanism": b"NULL"},
        {"mechanism": b"PLAIN"},
        {"key": b""},
        {"key": bytes(32)},
        {"key": KNOWN},
    ],
)
def test_nobody_else_is(changed: dict[str, bytes]) -> None:
    """Another key, another mechanism, another domain."""
    assert verdict(question(**changed), lambda: KEYS)[4] == b"400"


@given(frames=st.lists(st.binary(max_size=40), max_size=12))
def test_any_question_has_an_answer(frames: list[bytes]) -> None:
    """And it is no, for no random key is known."""
    assert verdict(frames, lambda: KEYS)[-4] == b"400"
