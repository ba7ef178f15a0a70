"""What must hold in a simulation, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Overflow
from embervirt.drivers.qemu.messages import DomainRef, Lifecycle
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.root.journal import Line
from embervirt.errors import libvirtError
from embervirt.runtime.root import Root
from embervirt.supervisor.report import ChildFailed
from simulation.qemu import Host
from simulation.scheduler import Failure
from simulation.workload import Domain

STARTED, STOPPED = 2, 5
AS = {
    "running": 1,
    "paused": 3,
    "prelaunch": 3,
    "io-error": 3,
    "guest-panicked": 6,
}
"""virDomainState by QEMU's RunState; a guest that has shut down is ended at once."""


def files(top: Path, known: list[Domain], torn: frozenset[bytes]) -> None:
    """Each definition is one that may be; what is not synced may be ``torn`` by a power loss only."""
    for domain in known:
        path = top / f"etc/qemu/{domain.name}.xml"
        found = path.read_text() if path.exists() else None
        if found not in domain.may_be:
            wanted = [None if each is None else len(each) for each in domain.may_be]
            was = None if found is None else f"{len(found)} bytes"
            raise Failure("files are old or new", f"{path.name} is {was}, may be {wanted}")
    for path, text, type_ in _volatile(top):
        try:
            msgspec.json.decode(text, type=type_)
        except msgspec.MsgspecError as error:
            if text not in torn and type_ is not Line:
                raise Failure("files are old or new", f"{path.name} has {text[-80:]!r}: {error}") from error


def _volatile(top: Path) -> Iterator[tuple[Path, bytes, Any]]:
    """Records, and lines of journals but the last, which may be under way."""
    for path in sorted((top / "run/qemu").glob("*.json")):
        yield path, path.read_bytes(), Record
    for name, type_ in (("events", Numbered), ("operations", Line)):
        path = top / f"lib/embervirt/{name}.jsonl"
        for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
            yield path, line, type_


def torn(top: Path) -> frozenset[bytes]:
    """What a power loss left."""
    return frozenset(text for _, text, _ in _volatile(top))


def definitions(root: Root, known: list[Domain]) -> None:
    """What is defined is what may be; from then on it is known."""
    rows = root.part("qemu").face.tables.definitions
    for domain in known:
        row = rows.get(domain.uuid)
        found = None if row is None else row.xml
        if found not in domain.may_be:
            raise Failure("a definition is durable", f"{domain.name} is {'un' if row is None else ''}defined")
        domain.may_be = {found}


def truth(root: Root, host: Host, known: list[Domain]) -> None:
    """All that is published is so, and nothing runs that is not published."""
    rows = root.part("qemu").face.tables.running
    for domain in known:
        row, qemu = rows.get(domain.uuid), host.running(domain.name)
        is_ = None if qemu is None else AS.get(qemu.machine.status, qemu.machine.status)
        said = None if row is None else row.state.state
        if is_ != said:
            raise Failure("the state is QEMU's", f"{domain.name} is {is_}, published is {said}")
        if row is not None and row.degraded:
            raise Failure("all is well in the end", f"{domain.name} is degraded: {row.degraded}")
    if sum(each.alive for each in host.qemus) != len(rows.rows):
        alive = [each.name for each in host.qemus if each.alive]
        raise Failure("one QEMU for each guest", f"{alive} run, {len(rows.rows)} are published")


def looked_after(root: Root) -> None:
    """Each guest that is shown has an actor, be it one that is being restarted or in quarantine."""
    guests = root.supervisor.tree.find(("root", "guests"))
    for row in root.part("qemu").face.tables.running.values():
        if guests is None or f"{row.id}-{row.name}" not in guests.children:
            raise Failure("each guest is looked after", f"{row.name} is shown as {row.id}, without an actor")


def leftovers(top: Path, host: Host) -> None:
    """No temporary file outlives an open, no directory of a run its QEMU."""
    left = [str(path.relative_to(top)) for path in top.rglob(".embervirt-*.tmp")]
    used = {each.directory for each in host.qemus}
    left = [each for each in left if top / each not in used and (top / each).parent not in used]
    left += [str(each.relative_to(top)) for each in (top / "lib/qemu").glob("domain-*") if each not in used]
    if left:
        raise Failure("no leftovers", ", ".join(left))


class Events:
    """What a subscriber hears, and what the journal has."""

    def __init__(self) -> None:
        self._deaths: set[int] = set()
        self._to_tell: list[DomainRef] = []

    def died(self, top: Path) -> None:
        """An agent, with what it had not written yet: from here on any state may be."""
        written = len(_journal(top))
        self._deaths = {each for each in self._deaths if each < written} | {written}
        self._to_tell.clear()

    def started(self, ref: DomainRef) -> None:
        """Somebody was told that this guest runs."""
        self._to_tell.append(ref)

    def check_told(self, top: Path) -> None:
        """After an end in order: of whatever somebody was told, there is an event."""
        events = [msgspec.json.decode(line, type=Numbered).event() for line in _journal(top)]
        told = {(e.uuid, e.id) for e in events if isinstance(e, Lifecycle) and e.event == STARTED}
        for ref in self._to_tell:
            if (ref.uuid, ref.id) not in told:
                raise Failure("no event is lost", f"the start of {ref.name} as {ref.id}")

    def listen(self, root: Root) -> None:
        """Until the root closes: without gap."""
        try:
            heard = root.subscribe()
        except libvirtError:
            return
        last = heard.seq
        while (event := heard.get()) is not None:
            if isinstance(event, Overflow) or event.seq != last + 1:
                raise Failure("events have no gap", f"{event} follows {last}")
            last = event.seq
        heard.close()

    def check_journal(self, top: Path) -> None:
        """Numbered one by one, and for each guest in an order that its life may have."""
        ids, lives = set[str](), Lives()
        for number, line in enumerate(_journal(top)):
            if number in self._deaths:
                lives = Lives()
            numbered = msgspec.json.decode(line, type=Numbered)
            if numbered.seq != number + 1 or numbered.id in ids:
                raise Failure("events have no gap", f"{numbered.seq} ({numbered.id}) follows {number}")
            ids.add(numbered.id)
            lives.hear(numbered.event())


class Lives:
    """Runs of guests, as the events of one agent tell of them.

    What an actor that crashed had told, or an agent that died, may be told again, and what it was about to
    tell may be left out; nothing else may. Only the death of an agent excuses an end whose start is left out.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, bool]] = {}
        self._doubtful: set[str] = set()
        self._begun: set[int] = set()

    def hear(self, event: object) -> None:
        """The next."""
        if isinstance(event, ChildFailed):
            self._doubtful.add(event.child.partition("-")[0])
        elif isinstance(event, Lifecycle) and event.event >= STARTED:
            self._judge(event)
            self._known[event.uuid] = event.id, event.event != STOPPED
            if event.event == STARTED:
                self._begun.add(event.id)

    def _judge(self, event: Lifecycle) -> None:
        id_, running = self._known.get(event.uuid, (event.id, event.event != STARTED))
        doubtful = not self._doubtful.isdisjoint({str(id_), str(event.id)})
        twice = doubtful or (id_ == event.id and id_ not in self._begun)
        in_turn = not running and id_ <= event.id if event.event == STARTED else running and id_ == event.id
        unbegun = event.event == STOPPED and id_ < event.id and event.id not in self._begun
        if unbegun or not (in_turn or twice):
            raise Failure("events are legal", f"{event} after run {id_} {'began' if running else 'ended'}")


def _journal(top: Path) -> list[bytes]:
    path = top / "lib/embervirt/events.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
