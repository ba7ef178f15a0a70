"""What every driver owes its root and its callers, whichever it is: one suite over all that are built."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.actors.messages import Event, Message, Numbered, Request
from embervirt.drivers.network import messages as network
from embervirt.drivers.qemu import messages as qemu
from embervirt.drivers.secret import messages as secret
from embervirt.drivers.storage import messages as storage
from embervirt.errors import ActorUnavailable, InvalidConnection, OperationTimeout, OutcomeUnknown
from embervirt.runtime.drivers import find, installed
from embervirt.supervisor.report import ChildFailed, Node
from guest.domain import Events, small, uri, wait_until, watching

UUIDS = [f"6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c{n:02d}" for n in range(20)]


PROMPT = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}


class Unknown(Request[str], frozen=True):
    """A message that no driver handles."""

    text: str = ""


class NeverSent(Message, frozen=True):
    """Of no driver either, and without a reply."""


@dataclass(frozen=True)
class Contract:
    """How a driver is driven: make one object, list them, remove one; and the messages of its own."""

    make: Callable[[libvirt.virConnect, int], Any]
    names: Callable[[libvirt.virConnect], list[str]]
    remove: Callable[[Any], object]
    request: Callable[[int], Request[Any]]
    happened: type[Event]
    folder: str


CONTRACTS = {
    "qemu": Contract(
        make=lambda conn, n: conn.defineXML(small(f"d{n}", uuid=UUIDS[n])),
        names=lambda conn: sorted(each.UUIDString() for each in conn.listAllDomains()),
        remove=lambda domain: domain.undefine(),
        request=lambda n: qemu.Undefine(UUIDS[n], 0),
        happened=qemu.Lifecycle,
        folder="etc/qemu",
    ),
    "secret": Contract(
        make=lambda conn, n: conn.secretDefineXML(f"<secret><uuid>{UUIDS[n]}</uuid></secret>"),
        names=lambda conn: sorted(each.UUIDString() for each in conn.listAllSecrets()),
        remove=lambda each: each.undefine(),
        request=lambda n: secret.Undefine(UUIDS[n]),
        happened=secret.SecretLifecycle,
        folder="etc/secrets",
    ),
    "network": Contract(
        make=lambda conn, n: conn.networkDefineXML(
            f"<network><name>d{n}</name><uuid>{UUIDS[n]}</uuid></network>"
        ),
        names=lambda conn: sorted(each.UUIDString() for each in conn.listAllNetworks()),
        remove=lambda each: each.undefine(),
        request=lambda n: network.Undefine(UUIDS[n]),
        happened=network.NetworkLifecycle,
        folder="etc/qemu/networks",
    ),
    "storage": Contract(
        make=lambda conn, n: conn.storagePoolDefineXML(
            f"<pool type='dir'><name>d{n}</name><uuid>{UUIDS[n]}</uuid>"
            f"<target><path>/nowhere/{n}</path></target></pool>"
        ),
        names=lambda conn: sorted(each.UUIDString() for each in conn.listAllStoragePools()),
        remove=lambda pool: pool.undefine(),
        request=lambda n: storage.Undefine(UUIDS[n]),
        happened=storage.PoolLifecycle,
        folder="etc/storage",
    ),
}


@pytest.fixture(params=installed())
def name(request: pytest.FixtureRequest) -> str:
    """Each driver that is built; a new one must come with its contract."""
    assert request.param in CONTRACTS, f"driver {request.param} has no contract in this file"
    return str(request.param)


@pytest.fixture
def contract(name: str) -> Contract:
    """How that driver is driven."""
    return CONTRACTS[name]


@pytest.fixture
def conn(name: str, tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A connection to it; its actors are restarted without much delay."""
    with libvirt.open(uri(tmp_path, name), settings=PROMPT) as made:
        yield made


def crash(conn: libvirt.virConnect, name: str, events: Events) -> ChildFailed:
    """Ends its actor as a bug would, and waits for the report."""
    seen = len(events.fitting(is_failure))
    conn.root.crash(f"drivers/{name}")
    report = events.wait(is_failure, count=seen + 1)[-1]
    assert isinstance(report, ChildFailed)
    return report


def is_failure(event: Event) -> bool:
    """A child failed."""
    return isinstance(event, ChildFailed)


def child(conn: libvirt.virConnect, name: str) -> Node:
    """Its actor in the tree."""
    [drivers] = [each for each in conn.root.tree().children if each.id == "drivers"]
    [found] = [each for each in drivers.children if each.id == name]
    return found


def test_a_restarted_driver_has_what_is_on_disk(
    conn: libvirt.virConnect, name: str, contract: Contract, tmp_path: Path
) -> None:
    """Not what its predecessor remembered: what was added and removed by hand meanwhile counts."""
    for n in range(3):
        contract.make(conn, n)
    folder = tmp_path / contract.folder
    [first] = [path for path in folder.glob("*.xml") if UUIDS[0] in path.read_text()]
    text = first.read_text()
    first.unlink()
    added = folder / re.sub(re.escape(UUIDS[0]), UUIDS[9], first.name).replace("d0.", "d9.")
    added.write_text(text.replace(UUIDS[0], UUIDS[9]).replace("<name>d0<", "<name>d9<"))
    with watching(conn.root) as events:
        crash(conn, name, events)
        contract.make(conn, 3)
    assert contract.names(conn) == [UUIDS[1], UUIDS[2], UUIDS[3], UUIDS[9]]
    assert child(conn, name).generation == 2


def test_a_file_that_is_garbage_costs_one_object(
    conn: libvirt.virConnect, name: str, contract: Contract, tmp_path: Path
) -> None:
    """The driver starts, the rest is there, and the file stays for whoever looks into it."""
    contract.make(conn, 0)
    spoilt = {"a.xml": b"\0\xff", "b.xml": b"", "c.xml": b"<domain><name>c</name>", "d.xml": b"<x/>"}
    for file, content in spoilt.items():
        (tmp_path / contract.folder / file).write_bytes(content)
    (tmp_path / contract.folder / "e.xml").mkdir()
    with watching(conn.root) as events:
        crash(conn, name, events)
        contract.make(conn, 1)
    assert contract.names(conn) == UUIDS[:2]
    assert {path.name for path in (tmp_path / contract.folder).glob("?.xml")} == {*spoilt, "e.xml"}


def test_no_crash_between_two_calls_loses_anything(
    conn: libvirt.virConnect, name: str, contract: Contract
) -> None:
    """Ten times made, crashed, found; and a look-up during a restart still answers."""
    with watching(conn.root) as events:
        for n in range(10):
            contract.make(conn, n)
            report = crash(conn, name, events)
            assert (report.child, report.context) == (name, "child_terminated")
            assert contract.names(conn) == UUIDS[: n + 1]
    contract.make(conn, 10)
    assert child(conn, name).restarts == 10
    assert conn.root.failed == ""


def test_the_first_restart_is_at_once(conn: libvirt.virConnect, name: str, contract: Contract) -> None:
    """No delay after a first failure: the next call is answered within a moment, and by a new generation."""
    contract.make(conn, 0)
    with watching(conn.root) as events:
        assert crash(conn, name, events).decision == "restart now"
        begun = time.monotonic()
        contract.make(conn, 1)
        assert time.monotonic() - begun < 0.5


def test_what_was_removed_stays_removed(conn: libvirt.virConnect, name: str, contract: Contract) -> None:
    """Also when the driver dies right after it said so; a second removal is a typed error."""
    made = contract.make(conn, 0)
    with watching(conn.root) as events:
        contract.remove(made)
        crash(conn, name, events)
        with pytest.raises(libvirt.libvirtError):
            contract.remove(made)
    assert contract.names(conn) == []


def test_every_event_has_a_number(
    conn: libvirt.virConnect, name: str, contract: Contract, tmp_path: Path
) -> None:
    """Without gap, across crashes of the driver and of the events actor, and on from there after a reopen."""
    with watching(conn.root) as events:
        for n in range(6):
            contract.remove(contract.make(conn, n))
            conn.root.crash(f"drivers/{name}" if n % 2 else "events")
        mine = events.wait(lambda event: isinstance(event, contract.happened), count=12)
        assert [event.uuid for event in mine] == [uuid for uuid in UUIDS[:6] for _ in range(2)]  # type: ignore[attr-defined]
        numbers = events.numbers
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    lines = (tmp_path / "lib/embervirt/events.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert numbers[-1] <= len(lines)
    conn.close()
    with libvirt.open(uri(tmp_path, name)) as again, watching(again.root) as more:
        contract.make(again, 0)
        more.wait(lambda event: isinstance(event, contract.happened))
        assert more.numbers[0] > numbers[-1]
        with again.root.subscribe(since=0) as everything:
            first = everything.get(5)
            assert isinstance(first, Numbered) and first.seq == 1


def test_an_unknown_message_is_a_typed_error(
    conn: libvirt.virConnect, name: str, contract: Contract
) -> None:
    """The caller is told, and the driver answers the next call, whatever the message did to it."""
    contract.make(conn, 0)
    with pytest.raises(libvirt.libvirtError) as refused:
        conn.root.call(name, Unknown("x"))
    assert refused.value.get_error_code() is not None
    assert "x" not in str(refused.value).split()
    conn.root.bus.tell(name, NeverSent())
    contract.make(conn, 1)
    assert contract.names(conn) == UUIDS[:2]


def test_nobody_answers_for_a_driver_that_is_not_there(conn: libvirt.virConnect) -> None:
    """A name that no driver has fails at once, with certainty that nothing happened."""
    begun = time.monotonic()
    with pytest.raises(ActorUnavailable):
        conn.root.call("nobody", Unknown())
    assert time.monotonic() - begun < 1


def test_a_call_ends_by_its_deadline(conn: libvirt.virConnect, name: str, contract: Contract) -> None:
    """While the actor is busy with something that does not end: a time-out, and later calls work."""
    contract.make(conn, 0)
    busy, over = threading.Event(), threading.Event()

    def block() -> None:
        busy.set()
        over.wait(10)

    post(conn, name, block)
    assert busy.wait(10)
    with pytest.raises(OperationTimeout):
        conn.root.bus.call(name, contract.request(0), deadline=time.monotonic() + 0.2)
    over.set()
    contract.make(conn, 1)
    assert contract.names(conn) == UUIDS[:2]


def test_a_crash_ends_the_calls_in_hand(conn: libvirt.virConnect, name: str, contract: Contract) -> None:
    """Those that wait behind a handler that fails are told so, not left, and not done twice."""
    contract.make(conn, 0)
    busy, over = threading.Event(), threading.Event()

    def fail() -> None:
        busy.set()
        over.wait(10)
        raise ZeroDivisionError("a bug")

    post(conn, name, fail)
    assert busy.wait(10)
    ended: list[BaseException | None] = []

    def call() -> None:
        try:
            conn.root.call(name, contract.request(0))
            ended.append(None)
        except libvirt.libvirtError as error:
            ended.append(error)

    callers = [threading.Thread(target=call) for _ in range(5)]
    for caller in callers:
        caller.start()
    wait_until(lambda: conn.root.bus.routes.in_flight(name) == 5)
    over.set()
    for caller in callers:
        caller.join(10)
    assert len(ended) == 5
    done = ended.count(None)
    assert all(error is None or not isinstance(error, OutcomeUnknown) for error in ended)
    assert contract.names(conn) == ([] if done else UUIDS[:1])
    assert done <= 1


def post(conn: libvirt.virConnect, name: str, task: Callable[[], None]) -> None:
    """Runs ``task`` on the actor's thread, as a message does that takes long or fails."""
    supervisor: Any = conn.root.supervisor
    node = supervisor.tree.find(("root", "drivers", name))
    supervisor._handles[node].actor.post(task)


def test_calls_after_the_close_raise(name: str, contract: Contract, tmp_path: Path) -> None:
    """From the connection, its handles and the root itself; a new open has everything."""
    with libvirt.open(uri(tmp_path, name)) as conn:
        made, root = contract.make(conn, 0), conn.root
    for call in (
        lambda: contract.make(conn, 1),
        lambda: contract.names(conn),
        lambda: contract.remove(made),
        lambda: root.call(name, contract.request(0)),
        root.subscribe,
        root.check_open,
    ):
        with pytest.raises(InvalidConnection):
            call()
    with libvirt.open(uri(tmp_path, name)) as again:
        assert contract.names(again) == UUIDS[:1]


def test_a_driver_is_found_by_its_entry_point(name: str) -> None:
    """Its name is that of its URIs and of its actor."""
    assert find(name).name == name
