"""The simulated sockets do what libzmq's do: one script, run on both, has one outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zmq

from embervirt import world
from simulation.scheduler import Scheduler
from simulation.world import World

Script = Callable[[Any], object]
LONG, SHORT = 20_000, 300
"""Milliseconds: that something comes, and that nothing does."""


def made(context: Any, kind: int, identity: bytes = b"") -> Any:
    """As embervirt makes them."""
    sock = context.socket(kind)
    sock.linger = 0
    sock.set_hwm(0)
    if identity:
        sock.setsockopt(zmq.IDENTITY, identity)
    if kind == zmq.ROUTER:
        sock.router_handover = True
    return sock


def bound(context: Any, kind: int, endpoint: str) -> Any:
    """One that others connect to."""
    sock = made(context, kind)
    if kind == zmq.PUB:
        sock.sndhwm = 1
    sock.bind(endpoint)
    return sock


def connected(context: Any, kind: int, endpoint: str, identity: bytes = b"") -> Any:
    """One that connects."""
    sock = made(context, kind, identity)
    sock.connect(endpoint)
    return sock


def got(sock: Any, milliseconds: int = SHORT) -> list[list[bytes]]:
    """All that comes until nothing does."""
    sock.setsockopt(zmq.RCVTIMEO, milliseconds)
    found = []
    while True:
        try:
            found.append(sock.recv_multipart())
        except zmq.Again:
            return found


def device(run: Callable[[], object], *sockets: Any) -> Any:
    """A thread for a device, which ends with the context."""

    def body() -> None:
        try:
            run()
        except zmq.ContextTerminated:
            for each in sockets:
                each.close(0)

    thread = world.Thread(target=body, name="device")
    thread.start()
    return thread


def exchange(context: Any) -> Any:
    """Two ROUTERs joined, and a copy of everything."""
    sockets = [
        bound(context, zmq.ROUTER, "inproc://calls"),
        bound(context, zmq.ROUTER, "inproc://actors"),
        bound(context, zmq.PUB, "inproc://trace"),
    ]
    return device(lambda: world.monitored_queue(*sockets, b"request", b"reply"), *sockets)


def met(caller: Any, actor: Any, address: bytes) -> list[bytes]:
    """A hello that has come through, so that each is known to the exchange."""
    caller.send_multipart([address, b"hello", b""])
    found: list[bytes] = actor.recv_multipart()
    return found


def calls_and_replies(context: Any) -> object:
    """There and back, with the addresses swapped; and what goes to nobody is dropped."""
    exchange(context)
    actor = connected(context, zmq.DEALER, "inproc://actors", b"actor")
    caller = connected(context, zmq.DEALER, "inproc://calls", b"caller")
    hello = met(caller, actor, b"actor")
    caller.send(b"nobody", zmq.SNDMORE)
    caller.send(b"lost", zmq.SNDMORE)
    caller.send(b"")
    caller.send_multipart([b"actor", b"head", b"body"])
    request = actor.recv_multipart()
    actor.send_multipart([b"nobody", b"head", b"lost"])
    actor.send_multipart([request[0], b"head", b"done"])
    outcome = [hello, request, got(caller), got(actor)]
    close(caller, actor)
    return outcome


def what_was_sent_before_a_close_arrives(context: Any) -> object:
    """In order; and what comes for who is closed is dropped."""
    exchange(context)
    actor = connected(context, zmq.DEALER, "inproc://actors", b"actor")
    caller = connected(context, zmq.DEALER, "inproc://calls", b"caller")
    other = connected(context, zmq.DEALER, "inproc://calls", b"other")
    met(caller, actor, b"actor")
    for number in range(20):
        caller.send_multipart([b"actor", b"%d" % number, b""])
    caller.close(0)
    arrived = got(actor)
    actor.send_multipart([b"caller", b"too", b"late"])
    met(other, actor, b"actor")
    actor.send_multipart([b"other", b"is", b"here"])
    outcome = [arrived, other.recv_multipart(), caller.closed]
    close(other, actor)
    return outcome


def a_later_one_of_the_same_name_takes_over(context: Any) -> object:
    """The first hears nothing any more (and would wait for ever if it sent something: nobody does)."""
    exchange(context)
    caller = connected(context, zmq.DEALER, "inproc://calls", b"caller")
    first = connected(context, zmq.DEALER, "inproc://actors", b"actor")
    met(caller, first, b"actor")
    second = connected(context, zmq.DEALER, "inproc://actors", b"actor")
    probe = connected(context, zmq.DEALER, "inproc://actors", b"probe")
    met(caller, probe, b"probe")
    caller.send_multipart([b"actor", b"head", b"body"])
    outcome = [got(second), got(first)]
    second.send_multipart([b"caller", b"from", b"second"])
    outcome.append(got(caller))
    close(caller, first, second, probe)
    return outcome


def the_trace_has_everything(context: Any) -> object:
    """Both ways, swapped as the receiver gets it."""
    exchange(context)
    trace = made(context, zmq.SUB)
    trace.subscribe(b"")
    trace.connect("inproc://trace")
    actor = connected(context, zmq.DEALER, "inproc://actors", b"actor")
    caller = connected(context, zmq.DEALER, "inproc://calls", b"caller")
    met(caller, actor, b"actor")
    while not trace.poll(SHORT):
        met(caller, actor, b"actor")
    got(trace)
    caller.send_multipart([b"actor", b"1", b"2"])
    actor.recv_multipart()
    actor.send_multipart([b"caller", b"3", b"4"])
    outcome = got(trace)
    close(trace, actor, caller)
    return outcome


def publisher(context: Any) -> Any:
    """A PULL forwarded to a PUB; answers what sends to it."""
    into, out = bound(context, zmq.PULL, "inproc://in"), bound(context, zmq.PUB, "inproc://out")
    device(lambda: world.proxy(into, out), into, out)
    return connected(context, zmq.PUSH, "inproc://in")


def subscriber(context: Any, publish: Any, most: int = 1000) -> Any:
    """One that hears; the marks that it waited for are read."""
    sock = made(context, zmq.SUB)
    sock.rcvhwm = most
    sock.subscribe(b"")
    sock.connect("inproc://out")
    publish.send_multipart([b"mark"])
    while not sock.poll(SHORT):
        publish.send_multipart([b"mark"])
    got(sock)
    return sock


def subscribers_hear_the_same_in_order(context: Any) -> object:
    """From the moment they are known on."""
    publish = publisher(context)
    publish.send_multipart([b"before"])
    first, second = subscriber(context, publish), subscriber(context, publish)
    for number in range(10):
        publish.send_multipart([b"event", b"%d" % number])
    heard = [each for each in got(first) if each != [b"mark"]]
    outcome = [heard, got(second)]
    close(first, second, publish)
    return outcome


def a_slow_subscriber_loses_the_later_ones(context: Any) -> object:
    """Its queue and the publisher's together hold so many."""
    publish = publisher(context)
    slow, fast = subscriber(context, publish, 5), subscriber(context, publish)
    got(slow)
    for number in range(30):
        publish.send_multipart([b"%d" % number])
    all_of_it = got(fast)
    outcome = [len(all_of_it), got(slow)[:5]]
    publish.send_multipart([b"again"])
    outcome.append(got(slow))
    close(slow, fast, publish)
    return outcome


def each_senders_order_is_kept(context: Any) -> object:
    """Whatever becomes of that between senders."""
    pull = bound(context, zmq.PULL, "inproc://pull")
    pushers = [connected(context, zmq.PUSH, "inproc://pull") for _ in range(3)]
    for number in range(10):
        for name, each in enumerate(pushers):
            each.send_multipart([b"%d" % name, b"%d" % number])
    found = got(pull)
    close(pull, *pushers)
    return [[number for name, number in found if name == b"%d" % each] for each in range(3)]


def a_poller_tells_who_is_ready(context: Any) -> object:
    """Sockets and descriptors."""
    wake, poller = world.make_wake(), world.Poller()
    pull, push = bound(context, zmq.PULL, "inproc://a"), connected(context, zmq.PUSH, "inproc://a")
    poller.register(pull, zmq.POLLIN)
    poller.register(wake.fileno(), zmq.POLLIN)
    outcome: list[object] = [poller.poll(SHORT)]
    wake.ring()
    outcome.append([each == wake.fileno() for each, _ in poller.poll(LONG)])
    push.send_multipart([b"x"])
    pull.poll(LONG)
    outcome.append(sorted(isinstance(each, int) for each, _ in poller.poll(LONG)))
    wake.clear()
    poller.unregister(pull)
    outcome.append(poller.poll(SHORT))
    wake.close()
    close(pull, push)
    return outcome


def the_end_wakes_who_waits(context: Any) -> object:
    """With ContextTerminated, also at the next use; the end waits for the last close."""
    pull = bound(context, zmq.PULL, "inproc://a")
    outcome: list[str] = []

    def wait() -> None:
        for use in (pull.recv_multipart, pull.poll, lambda: pull.send_multipart([b"x"])):
            try:
                use()
            except zmq.ZMQError as error:
                outcome.append(type(error).__name__)
        pull.close(0)
        outcome.append("closed")

    waiting = world.Thread(target=wait, name="waiting")
    waiting.start()
    context.term()
    outcome.append("over")
    waiting.join()
    return outcome


def nothing_can_be_done_with_what_is_closed(context: Any) -> object:
    """Each use says so; a second close does not."""
    pull = bound(context, zmq.PULL, "inproc://a")
    pull.close(0)
    pull.close(0)
    outcome = []
    for use in (pull.recv_multipart, pull.poll, lambda: pull.connect("inproc://b")):
        with pytest.raises(zmq.ZMQError) as raised:
            use()
        outcome.append(raised.value.errno)
    return outcome


def close(*sockets: Any) -> None:
    """All of them."""
    for each in sockets:
        each.close(0)


SCRIPTS: list[Script] = [
    calls_and_replies,
    what_was_sent_before_a_close_arrives,
    a_later_one_of_the_same_name_takes_over,
    the_trace_has_everything,
    subscribers_hear_the_same_in_order,
    a_slow_subscriber_loses_the_later_ones,
    each_senders_order_is_kept,
    a_poller_tells_who_is_ready,
    the_end_wakes_who_waits,
    nothing_can_be_done_with_what_is_closed,
]


def really(script: Script) -> object:
    """Its outcome with libzmq."""
    context = world.Context()
    try:
        return script(context)
    finally:
        context.term()


def simulated(script: Script, seed: int) -> object:
    """Its outcome with the simulated sockets."""
    scheduler = Scheduler(seed)
    outcomes: list[object] = []
    with World(scheduler).in_place():
        scheduler.run(lambda: outcomes.append(really(script)))
    return outcomes[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_script_has_one_outcome_on_real_and_simulated_sockets(script: Script) -> None:
    """Whatever the seed, the simulated sockets behave as libzmq's."""
    expected = really(script)
    for seed in range(20):
        assert simulated(script, seed) == expected, f"seed {seed}"
