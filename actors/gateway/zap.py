"""Who may connect with CURVE: answers to ZeroMQ's questions about them (ZAP 1.0, rfc.zeromq.org/spec/27)."""

from __future__ import annotations

from collections.abc import Callable

import zmq
from zmq.utils import z85

ENDPOINT = "inproc://zeromq.zap.01"
DOMAIN = b"embervirt"
VERSION = b"1.0"
FRAMES = 9
"""Of a question: who asks, empty, version, request, domain, address, identity, mechanism, key."""

Keys = Callable[[], frozenset[str]]
"""The public keys of all who may connect, each 40 characters of Z85."""


def verdict(frames: list[bytes], keys: Keys) -> list[bytes]:
    """The answer to one question: 200 for a client whose key is among ``keys``, 400 for all others."""
    back, request = frames[:2], frames[3] if len(frames) > 3 else b""
    known = len(frames) == FRAMES and _key(frames) in keys()
    status = [b"200", b"OK"] if known else [b"400", b"this key may not connect"]
    return [*back, VERSION, request, *status, b"", b""]


def _key(frames: list[bytes]) -> str:
    domain, mechanism, key = frames[4], frames[7], frames[8]
    if domain != DOMAIN or mechanism != b"CURVE" or len(key) != 32:
        return ""
    return z85.encode(key).decode()


def secure(sock: zmq.Socket[bytes], secret_key: str) -> None:
    """What is bound from now on takes only clients that ``verdict`` lets in."""
    sock.curve_server = True
    sock.curve_secretkey = secret_key.encode()
    sock.zap_domain = DOMAIN
    sock.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
