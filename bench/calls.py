"""A typed call to an actor against an echo through an exchange."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import zmq

import embervirt as libvirt
from bench.figure import Figure, microseconds, milliseconds, times_floor
from embervirt.actors.event_log import Mark
from embervirt.actors.exchange import ACTORS, CALLS, Exchange, send, socket

TIMES = 3000


def figures(conn: libvirt.virConnect) -> Iterator[Figure]:
    """The round trip."""
    call = microseconds(lambda: conn.root.bus.call("events", Mark(b"")), TIMES, 1)
    yield times_floor("call / echo through the exchange", call, _echo(), None, "us")


def _echo() -> float:
    exchange = Exchange()
    server, client = (socket(exchange.context, zmq.DEALER, name) for name in (b"echo", b"client"))
    server.connect(ACTORS)
    client.connect(CALLS)

    def serve() -> None:
        for _ in range(TIMES):
            send(server, *server.recv_multipart())
        server.close(0)

    def ask() -> None:
        for _ in range(TIMES):
            send(client, b"echo", b"header", b"body")
            client.recv_multipart()

    thread = threading.Thread(target=serve)
    thread.start()
    spent = milliseconds(ask) * 1000 / TIMES
    thread.join()
    client.close(0)
    exchange.close(5.0)
    return spent
