"""What must hold in a simulation, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Overflow
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.root.journal import Line
from embervirt.errors import libvirtError
from embervirt.runtime.root import Root
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
        self._whole = True

    def lost(self) -> None:
        """The host lost power: the journal's end may be gone."""
        self._whole = False

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
        """Numbered one by one; no run of a guest starts or ends twice, or does anything after its end."""
        last, ids = 0, set[str]()
        ended: set[int] = set()
        started: set[int] = set()
        for line in (top / "lib/embervirt/events.jsonl").read_bytes().splitlines():
            numbered = msgspec.json.decode(line, type=Numbered)
            if numbered.seq != last + 1 or numbered.id in ids:
                raise Failure("events have no gap", f"{numbered.seq} ({numbered.id}) follows {last}")
            last = numbered.seq
            ids.add(numbered.id)
            event = numbered.event()
            if self._whole and isinstance(event, Lifecycle) and event.event >= STARTED and event.id > 0:
                self._legal(event, started, ended)

    @staticmethod
    def _legal(event: Lifecycle, started: set[int], ended: set[int]) -> None:
        known = ended if event.event != STARTED else ended | started
        if event.id in known:
            raise Failure("events are legal", f"{event} comes after the end of that run, or twice")
        if event.event == STOPPED:
            ended.add(event.id)
        if event.event == STARTED:
            started.add(event.id)
