"""What the QEMU driver's actors publish and any thread reads: definitions, running guests, past endings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from embervirt.actors.fence import Fence
from embervirt.actors.table import Table
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.states import Ending, State
from embervirt.supervisor.identity import Identity


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


D = TypeVar("D", bound=Definition | Running)


class Named(Table[str, D]):
    """Domains by UUID, found by name as well, however many there are."""

    def __init__(self) -> None:
        super().__init__()
        self._uuids: dict[str, str] = {}

    def named(self, name: str) -> D | None:
        """The one of that name, or None."""
        row = self.rows.get(self._uuids.get(name, ""))
        return row if row is not None and row.name == name else None

    def put(self, fence: Fence, key: str, record: D) -> None:
        """As ``Table.put``. An old name leads nowhere: ``named`` looks twice."""
        super().put(fence, key, record)
        self._uuids[record.name] = key

    def drop(self, fence: Fence, key: str) -> None:
        """As ``Table.drop``."""
        row = self.rows.get(key)
        super().drop(fence, key)
        if row is not None and self._uuids.get(row.name) == key:
            self._uuids.pop(row.name, None)

    def replace(self, fence: Fence, rows: Mapping[str, D]) -> None:
        """As ``Table.replace``."""
        super().replace(fence, rows)
        self._uuids = {row.name: uuid for uuid, row in rows.items()}


def guest_actor(id_: int) -> str:
    """The name on the bus of the guest with this id."""
    return f"guest/{id_}"


class Tables:
    """One set for each root; outlives every actor.

    ``starting``: UUID and name of the domains whose guest's actor is not up yet. ``ending``: by the run's id,
    the end of a guest that has not been told yet, and why it ended.
    """

    def __init__(self) -> None:
        self.definitions: Named[Definition] = Named()
        self.running: Named[Running] = Named()
        self.ended: Table[str, State] = Table()
        self.starting: dict[str, str] = {}
        self.ending: dict[int, tuple[Ending, str]] = {}
        self.ids = itertools.count(1)

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
