"""Definitions: who may have which name and UUID, on disk first, then published, then announced."""

from __future__ import annotations

from collections.abc import Callable

from embervirt.actors.fence import Fence
from embervirt.actors.messages import Event
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU, DomainExists, NoDomain
from embervirt.drivers.qemu.messages import Create, Define, DomainRef, Lifecycle, Undefine
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import beside
from embervirt.drivers.qemu.states import Transition
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.qemu.tables import Definition, Tables
from embervirt.drivers.qemu.validate.name import check_name
from embervirt.drivers.root.files import remove
from embervirt.errors import InvalidArgument, NotSupported, OperationInvalid

START_PAUSED, START_AUTODESTROY, START_FORCE_BOOT, START_RESET_NVRAM = 1, 2, 8, 32
PORTION = 100
"""Definitions that are read in far less than a second."""


class Domains:
    """All definitions of one root, and what may be started."""

    def __init__(self, store: Store, tables: Tables, fence: Fence, publish: Callable[[Event], None]) -> None:
        self._store, self._tables, self._fence, self._publish = store, tables, fence, publish

    def load(self, progress: Callable[[], None]) -> None:
        """Publish what is on disk; of two with one UUID, which a cut rename leaves, the younger.

        ``progress`` is called for each ``PORTION`` of them: ten thousand take longer than a start may.
        """
        rows: dict[str, Definition] = {}
        autostart = self._store.autostarting()
        for number, (text, domain) in enumerate(self._store.definitions()):
            if not number % PORTION:
                progress()
            row = Definition(domain.uuid, domain.name, text, domain.name in autostart)
            rows[domain.uuid] = self._store.younger(rows.get(domain.uuid), row)
        self._tables.definitions.replace(self._fence, rows)

    def define(self, request: Define) -> DomainRef:
        """New, or in place of the definition with the same name and UUID."""
        _described(request)
        self.check_unique(request.name, request.uuid)
        known = self._tables.definitions.get(request.uuid)
        self._store.define(request.name, request.xml)
        autostart = known is not None and known.autostart
        row = Definition(request.uuid, request.name, request.xml, autostart)
        self._tables.definitions.put(self._fence, row.uuid, row)
        added = states.DEFINED_ADDED if known is None else states.DEFINED_UPDATED
        return self.announce(row.name, row.uuid, added)

    def check_unique(self, name: str, uuid: str) -> None:
        """Raises DomainExists when another domain has that name or UUID."""
        holder = self._tables.uuid_of(name) or self._tables.being_started(name)
        called = self._tables.name_of(uuid) or self._tables.starting.get(uuid)
        if holder not in (None, uuid):
            raise DomainExists(f"domain '{name}' already exists with uuid {holder}")
        if called not in (None, name):
            raise DomainExists(f"domain '{called}' is already defined with uuid {uuid}")

    def undefine(self, request: Undefine) -> None:
        """A running guest goes on as a transient one. What the flags take along goes first."""
        beside.check(request.flags)
        row = self._tables.definitions.get(request.uuid)
        if row is None:
            self._refuse_undefine(request.uuid)
            return
        active = self._tables.running.get(row.uuid) is not None
        for path in beside.taken(self._store.paths, row.name, row.domain, request.flags, active):
            beside.discard(path, self._fence)
        self._store.undefine(row.name)
        self._tables.definitions.drop(self._fence, row.uuid)
        if self._tables.running.get(row.uuid) is None:
            self._tables.ended.drop(self._fence, row.uuid)
        self.announce(row.name, row.uuid, states.UNDEFINED_REMOVED)

    def _refuse_undefine(self, uuid: str) -> None:
        if self._tables.running.get(uuid) is not None:
            raise OperationInvalid("cannot undefine transient domain", virdomain=VIR_FROM_QEMU)
        raise NoDomain(f"no domain with matching uuid '{uuid}'")

    def prepare(self, request: Create) -> Plan:
        """What to start. Raises when it runs, is being started, or clashes with another."""
        given = _described(request) if request.xml else None
        if given is not None:
            self.check_unique(request.name, request.uuid)
        if request.uuid in self._tables.running.rows or request.uuid in self._tables.starting:
            self._refuse_start(request)
        domain, xml = (given, request.xml) if given is not None else self._defined(request.uuid)
        self._check_saved(domain.name, bool(request.flags & START_FORCE_BOOT))
        self._fence.check()
        self._tables.starting[domain.uuid] = domain.name
        paused, autodestroy = bool(request.flags & START_PAUSED), bool(request.flags & START_AUTODESTROY)
        reset = bool(request.flags & START_RESET_NVRAM)
        return Plan(next(self._tables.ids), domain, xml, paused, autodestroy, reset_nvram=reset)

    def _check_saved(self, name: str, force: bool) -> None:
        """libvirt would go on with the memory that it saved; here that is not lost silently."""
        saved = self._store.paths.managed_save(name)
        if not saved.exists():
            return
        if not force:
            text = f"domain '{name}' has a managed save image of libvirt's, which cannot be restored here"
            raise NotSupported(f"{text}: flag FORCE_BOOT ({START_FORCE_BOOT}) removes '{saved}'")
        remove(saved, durable=True, fence=self._fence)

    def _refuse_start(self, request: Create) -> None:
        name = self._tables.name_of(request.uuid) or request.name
        text = f"domain '{name}' is already active" if request.xml else "domain is already running"
        raise OperationInvalid(text, virdomain=VIR_FROM_DOM if request.xml else VIR_FROM_QEMU)

    def _defined(self, uuid: str) -> tuple[Domain, str]:
        row = self._tables.definitions.get(uuid)
        if row is None:
            raise NoDomain(f"no domain with matching uuid '{uuid}'")
        return row.domain, row.xml

    def announce(self, name: str, uuid: str, transition: Transition) -> DomainRef:
        """A lifecycle event of a domain as it is now."""
        running = self._tables.running.get(uuid)
        id_ = -1 if running is None else running.id
        self._publish(Lifecycle(name, uuid, id_, *transition))
        return DomainRef(name, uuid, id_)


def _described(request: Define | Create) -> Domain:
    """What a message says, which may come from another process: its name becomes a file's.

    Raises InvalidArgument when the message and its XML name different domains, XmlError and its leaves.
    """
    domain = model_of(request.xml)
    if (domain.name, domain.uuid) != (request.name, request.uuid):
        says = f"its XML says {domain.name!r} {domain.uuid!r}"
        raise InvalidArgument(f"{type(request).__name__} of {request.name!r} {request.uuid!r}: {says}")
    check_name(domain.name)
    return domain
