"""A gateway on a stage, with peers that connect to it as another process would: JSON over a Unix socket."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq
from hypothesis import strategies as st

from embervirt.actors.actor import Context, Stop
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import EventLog, Mark
from embervirt.actors.exits import Exit
from embervirt.actors.fence import Fenced
from embervirt.actors.gateway.actor import Gateway
from embervirt.actors.gateway.door import Door
from embervirt.config.settings import Gateway as Bounds
from embervirt.drivers.root.sockets import listen
from unit.actors.harness import PATIENCE, Happened, Reports, Stage, staged

BOUNDS = Bounds(
    ipc=True, tcp="", allow=("harness.*",), in_flight=100, max_message=100_000, deadline=PATIENCE
)
JSON = dict[str, Any]
WAIT = int(PATIENCE * 500)
"""Milliseconds in which a peer hears something: less than the deadlines inside, so that none helps."""

JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSONS,
        "to": st.sampled_from(["server", "secret", "events", "gateway", "nobody"]) | JSONS,
        "ask": st.sampled_from(["harness.Echo", "harness.Count", "secret.Define", "secret.GetValue"]) | JSONS,
        "body": st.fixed_dictionaries({"text": JSONS}) | st.fixed_dictionaries({"uuid": JSONS}) | JSONS,
        "seconds": st.floats(0.1, 10) | JSONS,
        "subscribe": JSONS,
        "other": JSONS,
    },
)
FRAME = st.one_of(
    st.binary(max_size=200),
    JSONS.map(lambda value: json.dumps(value).encode()),
    REQUESTS.map(lambda value: json.dumps(value).encode()),
    st.tuples(REQUESTS, st.integers(1, 100)).map(lambda pair: json.dumps(pair[0]).encode()[: -pair[1]]),
)
FRAMES = st.lists(FRAME, min_size=1, max_size=10)
"""What a peer may send: noise, JSON, requests that are nearly right, and pieces of them."""



class Peer:
    """One connection."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str = "", identity: bytes = b""
    ) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvhwm = 1
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity)
        if endpoint:
            self.socket.connect(endpoint)

    def send(self, **request: Any) -> None:
        """One request."""
        self.socket.send(json.dumps(request).encode())

    def hear(self) -> JSON:
        """The next thing it is told, signs of life aside."""
        while True:
            assert self.socket.poll(WAIT)
            told: JSON = json.loads(self.socket.recv())
            if told.keys() != {"id", "seq"}:
                return told

    def ask(self, **request: Any) -> JSON:
        """The answer."""
        self.send(**request)
        return self.hear()

    def echo(self, text: str = "hello", **more: Any) -> JSON:
        """Something harmless."""
        return self.ask(to="server", ask="harness.Echo", body={"text": text}, **more)

    def subscribe(self, since: int | None = None, id_: Any = "events") -> int:
        """The number it starts after."""
        self.send(id=id_, subscribe=since)
        assert self.socket.poll(WAIT)
        started: JSON = json.loads(self.socket.recv())
        assert started.keys() == {"id", "seq"}
        return int(started["seq"])

    def numbers(self, count: int) -> list[int | list[int]]:
        """Of that many events; a loss is a pair."""
        told = [self.hear() for _ in range(count)]
        return [each["event"]["seq"] if "event" in each else each["lost"] for each in told]

    def error(self, **request: Any) -> tuple[str, str]:
        """Name and message of the refusal."""
        answer = self.ask(**request)
        assert not answer["ok"]
        return answer["error"]["name"], answer["error"]["message"]


def answers(peer: Peer, count: int) -> list[JSON]:
    """So many answers: starts of subscriptions too, events and later signs of life not."""
    told: list[JSON] = []
    while len(told) < count:
        assert peer.socket.poll(WAIT)
        told.append(json.loads(peer.socket.recv()))
    return told


class Ending(Reports):
    """Knows whether the test has seen the end."""

    seen = False

    def exit(self) -> Exit:
        """Waits for it."""
        self.seen = True
        return super().exit()


class Outside:
    """The door of a stage, generations of its gateway, and peers."""

    def __init__(self, stage: Stage, directory: Path, bounds: Bounds, keep: int) -> None:
        self.stage, self.bounds = stage, bounds
        self.path = directory / "bus.sock"
        self.door = Door(stage.bus.context, bounds.max_message)
        listening = listen(self.path, 10)
        listening.setblocking(False)
        self.door.listen(listening.detach())
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.generation = 0
        self.all: list[tuple[Gateway, Ending]] = []
        self.journal, self.keep, self.log_generation = directory / "events.jsonl", keep, 0

    def launch(self) -> None:
        """The next generation."""
        self.generation += 1
        self.reports = Ending()
        context = Context("gateway", self.generation, self.stage.bus, self.reports)
        self.gateway = Gateway(context, self.door, self.bounds, queue=100)
        self.all.append((self.gateway, self.reports))
        self.stage.launch(self.gateway, self.reports)

    def start(self) -> None:
        """The next generation, up."""
        self.launch()
        assert self.reports.is_ready.wait(PATIENCE)

    def kill(self) -> None:
        """After the message in hand."""
        self.gateway.post(RuntimeError("killed"))
        self.reports.exit()

    def fence(self) -> None:
        """What a supervisor does with one that hangs."""
        context = self.gateway.context
        context.fence.close()
        self.stage.bus.routes.down(context.name, context.generation, "given up")
        self.gateway.post(Fenced("given up"))

    def start_events(self) -> None:
        """The next generation of the events actor, up."""
        self.log_generation += 1
        self.log_reports = Reports()
        context = Context(EVENTS_ACTOR, self.log_generation, self.stage.bus, self.log_reports)
        self.events = EventLog(context, self.journal, self.keep)
        self.stage.launch(self.events, self.log_reports)
        assert self.log_reports.is_ready.wait(PATIENCE)

    def kill_events(self) -> None:
        """After the message in hand."""
        self.events.post(RuntimeError("killed"))
        self.log_reports.exit()

    def publish(self, count: int) -> None:
        """That many events, in the journal when this returns."""
        for n in range(count):
            self.stage.bus.publish(Happened(n))
        self.stage.bus.call(EVENTS_ACTOR, Mark(b"published"))

    def unread(self) -> None:
        """Waits until something came in that nobody takes; using the socket would take the news."""
        assert select.select([self.door.sockets[0].fileno()], [], [], PATIENCE)[0]

    def peer(self, identity: bytes = b"") -> Peer:
        """A new one."""
        return Peer(self.context, f"ipc://{self.path}", identity)

    def close(self) -> None:
        """Peers, all generations, the door."""
        self.context.destroy(0)
        self.stage.world.gate.set()
        for gateway, _ in self.all:
            gateway.post(Stop())
        ends = [reports.exit() for _, reports in self.all if not reports.seen]
        self.door.close()
        assert [each for each in ends if each.abnormal] == []  # a death that the test did not see


@contextmanager
def gatekept(directory: Path, bounds: Bounds = BOUNDS, keep: int = 1000) -> Iterator[Outside]:
    """A stage with events, a server and a gateway; at the end nothing is left."""
    with staged() as stage:
        outside = Outside(stage, directory, bounds, keep)
        outside.start_events()
        stage.start()
        outside.start()
        try:
            yield outside
        finally:
            outside.close()
