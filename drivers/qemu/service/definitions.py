"""Changes of definitions that exist: name, autostart, and what a call says instead of XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from embervirt.actors.fence import Fence
from embervirt.actors.messages import Event
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU, NoDomain
from embervirt.drivers.qemu.messages import DomainRef, Edited, MetadataChanged, Rename, Replug, SetAutostart
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.model.edits import SetMetadata, edited
from embervirt.drivers.qemu.plugging import redefined
from embervirt.drivers.qemu.service.domains import Domains
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.qemu.tables import Definition, Tables
from embervirt.drivers.qemu.validate.name import check_name
from embervirt.drivers.xml import render
from embervirt.errors import OperationInvalid, errors_of


class Definitions:
    """Used on the driver actor's thread only."""

    def __init__(
        self, domains: Domains, store: Store, tables: Tables, fence: Fence, publish: Callable[[Event], None]
    ) -> None:
        self._domains, self._store, self._tables = domains, store, tables
        self._fence, self._publish = fence, publish

    def set_autostart(self, request: SetAutostart) -> None:
        """Durable. Raises OperationInvalid for a transient domain."""
        row = self._persistent(request.uuid, "cannot set autostart for transient domain")
        if row.autostart != request.on:
            self._store.set_autostart(row.name, request.on)
            self._put(replace(row, autostart=request.on))

    def rename(self, request: Rename) -> DomainRef:
        """Durable. Raises OperationInvalid for a domain that runs, and for a name that is taken."""
        if self._tables.running.get(request.uuid) is not None:
            raise OperationInvalid("cannot rename active domain", virdomain=VIR_FROM_QEMU)
        row = self._persistent(request.uuid, "cannot rename a transient domain")
        self._check_name(row.name, request.name)
        xml = _rendered(replace(row.domain, name=request.name))
        self._store.rename(row.name, request.name, xml, row.autostart)
        self._put(Definition(row.uuid, request.name, xml, row.autostart))
        self._domains.announce(row.name, row.uuid, states.UNDEFINED_RENAMED)
        return self._domains.announce(request.name, row.uuid, states.DEFINED_RENAMED)

    def _check_name(self, old: str, new: str) -> None:
        with errors_of(VIR_FROM_QEMU):
            check_name(new)
        if new == old:
            raise OperationInvalid("Can't rename domain to itself", virdomain=VIR_FROM_DOM)
        if self._tables.uuid_of(new) or self._tables.being_started(new):
            text = f"domain with name '{new}' already exists"
            raise OperationInvalid(text, virdomain=VIR_FROM_DOM)

    def edit(self, request: Edited) -> None:
        """Durable. Raises what the edit raises, OperationInvalid for a transient domain."""
        row = self._persistent(
            request.uuid, "transient domains do not have any persistent config", VIR_FROM_DOM
        )
        xml = _rendered(edited(row.domain, request.edit))
        self._store.define(row.name, xml)
        self._put(replace(row, xml=xml))
        if isinstance(request.edit, SetMetadata) and not request.quiet:
            running = self._tables.running.get(row.uuid)
            id_ = -1 if running is None else running.id
            self._publish(MetadataChanged(row.name, row.uuid, id_, request.edit.type, request.edit.uri))

    def replug(self, request: Replug, caps: Capabilities) -> None:
        """Durable. Raises what the device's rules raise, OperationInvalid for a transient domain."""
        text = "transient domains do not have any persistent config"
        row = self._persistent(request.uuid, text, VIR_FROM_DOM)
        xml = _rendered(redefined(row.domain, request.verb, request.text, caps))
        self._store.define(row.name, xml)
        self._put(replace(row, xml=xml))

    def _persistent(self, uuid: str, refusal: str, virdomain: int = VIR_FROM_QEMU) -> Definition:
        row = self._tables.definitions.get(uuid)
        if row is not None:
            return row
        if self._tables.running.get(uuid) is not None:
            raise OperationInvalid(refusal, virdomain=virdomain)
        raise NoDomain(f"no domain with matching uuid '{uuid}'")

    def _put(self, row: Definition) -> None:
        self._tables.definitions.put(self._fence, row.uuid, row)


def _rendered(domain: Domain) -> str:
    """Its text, which can be read again. Raises XmlError and its leaves for what could not be."""
    xml = render(domain)
    model_of(xml)
    return xml
