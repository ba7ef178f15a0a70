"""What the QEMU driver's actors publish and any thread reads: definitions, running guests, past endings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from embervirt import world
from embervirt.actors.fence import Fence
from embervirt.actors.table import Table
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.postparse.interface import PREFIX, new_mac
from embervirt.drivers.qemu.states import Ending, State
from embervirt.supervisor.identity import Identity

MAC = re.compile(rf"{PREFIX}[0-9a-f]{{2}}:[0-9a-f]{{2}}:[0-9a-f]{{2}}")


@dataclass(frozen=True)
class Definition:
    """A persistent domain: ``xml``, which was accepted, as on disk and as ``XMLDesc(INACTIVE)`` gives it."""

    uuid: str
    name: str
    xml: str
    autostart: bool = False

    @cached_property
    def domain(self) -> Domain:
        """What it says, read when it is asked for first: the models of ten thousand would fill the memory."""
        return model_of(self.xml)


@dataclass(frozen=True)
class Running:
    """A guest with a QEMU process. ``xml`` is the live description, ``origin`` what it was started from.

    ``degraded``: what does not work although the guest runs, empty when all is well.
    """

    uuid: str
    name: str
    id: int
    state: State
    xml: str
    origin: str
    domain: Domain
    process: Identity
    degraded: str = ""

    @property
    def actor(self) -> str:
        """Its name on the bus: one for each run, so that no message reaches a later one."""
        return guest_actor(self.id)

    def at(self, state: State) -> Running:
        """The same guest in another state."""
        return replace(self, state=state)


class Macs:
    """MAC addresses of QEMU's range that this root's domains have or had: none of them is given again.

    Known from the first look on, for most domains come with addresses of their own.
    """

    def __init__(self, rows: Callable[[], Iterable[Definition | Running]]) -> None:
        self._rows = rows
        self._lock = world.Lock()
        self._taken: set[str] | None = None
        self._last = ""

    def fresh(self) -> str:
        """One that nobody has; it is taken then."""
        with self._lock:
            if self._taken is None:
                self._taken = {mac for row in self._rows() for mac in MAC.findall(row.xml)}
            found = new_mac()
            while found in self._taken:
                found = new_mac()
            self._taken.add(found)
            return found

    def add(self, xml: str) -> None:
        """Those that a domain's XML names."""
        with self._lock:
            if self._taken is not None and xml is not self._last:
                self._taken.update(MAC.findall(xml))
                self._last = xml

    def forget(self) -> None:
        """All rows are others."""
        with self._lock:
            self._taken = None


D = TypeVar("D", bound=Definition | Running)


class Named(Table[str, D]):
    """Domains by UUID, found by name as well, however many there are; ``macs`` hears of each."""

    def __init__(self) -> None:
        super().__init__()
        self._uuids: dict[str, str] = {}
        self.macs: Macs | None = None

    def named(self, name: str) -> D | None:
        """The one of that name, or None."""
        row = self.rows.get(self._uuids.get(name, ""))
        return row if row is not None and row.name == name else None

    def put(self, fence: Fence, key: str, record: D) -> None:
        """As ``Table.put``. An old name leads nowhere: ``named`` looks twice."""
        super().put(fence, key, record)
        self._uuids[record.name] = key
        if self.macs is not None:
            self.macs.add(record.xml)

    def drop(self, fence: Fence, key: str) -> None:
        """As ``Table.drop``."""
        row = self.rows.get(key)
        super().drop(fence, key)
        if row is not None and self._uuids.get(row.name) == key:
            self._uuids.pop(row.name, None)

    def replace(self, fence: Fence, rows: Mapping[str, D]) -> None:
        """As ``Table.replace``."""
        super().replace(fence, rows)
        if self.macs is not None:
            self.macs.forget()
        self._uuids = {row.name: uuid for uuid, row in rows.items()}


def guest_actor(id_: int) -> str:
    """The name on the bus of the guest with this id."""
    return f"guest/{id_}"


class Tables:
    """One set for each root; outlives every actor.

    ``starting``: UUID and name of the domains whose guest's actor is not up yet; they leave it on the
    supervisor's thread. ``ending``: by the run's id, the end of a guest that has not been told yet, and why
    it ended.
    """

    def __init__(self) -> None:
        self.definitions: Named[Definition] = Named()
        self.running: Named[Running] = Named()
        self.ended: Table[str, State] = Table()
        self.starting: dict[str, str] = {}
        self.ending: dict[int, tuple[Ending, str]] = {}
        self.ids = itertools.count(1)
        self.macs = Macs(lambda: [*self.definitions.values(), *self.running.values()])
        self.definitions.macs = self.running.macs = self.macs

    def ids_after(self, highest: int) -> None:
        """No id up to ``highest`` is given again."""
        self.ids = itertools.count(max(highest + 1, next(self.ids)))

    def name_of(self, uuid: str) -> str | None:
        """Of a domain that is known, running or not."""
        row = self.running.get(uuid) or self.definitions.get(uuid)
        return None if row is None else row.name

    def uuid_of(self, name: str) -> str | None:
        """Of a domain that is known, running or not."""
        row = self.running.named(name) or self.definitions.named(name)
        return None if row is None else row.uuid

    def being_started(self, name: str) -> str | None:
        """UUID of the domain of that name whose guest's actor is not up yet."""
        return next((uuid for uuid, each in self.starting.copy().items() if each == name), None)
