"""``virConnect``: a program's connection to one root, by the URI of one of its drivers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any

from embervirt.drivers.qemu import filters
from embervirt.drivers.qemu.errors import NoDomain
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import Create, Define, Destroy, Lifecycle, Rebooted
from embervirt.drivers.qemu.tables import guest_actor
from embervirt.errors import (
    ActorUnavailable,
    InvalidArgument,
    InvalidConnection,
    NotSupported,
    OperationDenied,
)
from embervirt.libvirt.callbacks import Registration, dispatcher
from embervirt.libvirt.domain import START_AUTODESTROY, virDomain
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.secrets import SecretCalls
from embervirt.runtime.registry import Lease
from embervirt.runtime.root import Root

VALIDATE = 1
START_VALIDATE = 16


class virConnect(SecretCalls):  # noqa: N801 - libvirt-python's name
    """Made by ``open``. ``close`` it, or use it in a ``with``; any thread may use it."""

    def __init__(self, lease: Lease, driver: str, uri: str, readonly: bool) -> None:
        self._lease, self._driver, self._uri, self._readonly = lease, driver, uri, readonly
        self._autodestroy: dict[str, int] = {}
        self._callbacks: list[int] = []

    def __enter__(self) -> virConnect:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The connection itself.

    @property
    def root(self) -> Root:
        """The runtime behind it: tree, events, settings. Raises InvalidConnection once closed."""
        if not self._lease.open:
            raise InvalidConnection(f"{self._uri} was closed")
        return self._lease.root

    def close(self) -> int:
        """Give it up; guests run on unless they were started with autodestroy. Answers the users left."""
        if self._lease.open:
            for id_ in self._callbacks:
                dispatcher(self._lease.root).remove(id_)
            self._destroy_own()
        return self._lease.close()

    def _destroy_own(self) -> None:
        for uuid, id_ in self._autodestroy.items():
            row = self._face("qemu").tables.running.get(uuid)
            if row is not None and row.id == id_:
                with contextlib.suppress(ActorUnavailable):
                    self.root.call(guest_actor(id_), Destroy())

    def _face(self, driver: str) -> Any:
        """What ``driver`` offers its handles. Raises NotSupported for one this URI does not serve."""
        if self._driver not in (driver, "qemu"):
            raise NotSupported(f"a {self._driver} connection has no {driver} driver; open {driver}:///embed")
        return self.root.part(driver).face

    @property
    def _qemu(self) -> Face:
        face: Face = self._face("qemu")
        return face

    def _check_writable(self, call: str) -> None:
        if self._readonly:
            raise OperationDenied(f"read only access prevents {call}")

    def getURI(self) -> str:  # noqa: N802
        """The URI it was opened with."""
        return self._checked(self._uri)  # type: ignore[no-any-return]

    def _checked(self, value: Any) -> Any:
        assert self.root
        return value

    def getType(self) -> str:  # noqa: N802
        """``QEMU`` for the QEMU driver, as libvirt says it."""
        self._face("qemu")
        return "QEMU"

    def getVersion(self) -> int:  # noqa: N802
        """QEMU's: major * 1,000,000 + minor * 1,000 + release."""
        major, minor, micro = self._qemu.capabilities().version
        return major * 1_000_000 + minor * 1_000 + micro

    def getLibVersion(self) -> int:  # noqa: N802
        """The libvirt version whose API this is."""
        return self._checked(9_000_000)  # type: ignore[no-any-return]

    def getHostname(self) -> str:  # noqa: N802
        """The host's."""
        return self._checked(socket.gethostname())  # type: ignore[no-any-return]

    def isAlive(self) -> int:  # noqa: N802
        """1 while the root works, 0 when it was closed or its supervision gave up."""
        return int(self._lease.open and not self._lease.root.failed)

    def isEncrypted(self) -> int:  # noqa: N802
        """0: nothing leaves the process."""
        return self._checked(0)  # type: ignore[no-any-return]

    def isSecure(self) -> int:  # noqa: N802
        """1: nothing leaves the process."""
        return self._checked(1)  # type: ignore[no-any-return]

    # Domains.

    def _domain(self, name: str, uuid: str) -> virDomain:
        return virDomain(self, self._qemu, name, uuid)

    def defineXML(self, xml: str) -> virDomain:  # noqa: N802
        """Keep a definition; durable when this returns."""
        return self.defineXMLFlags(xml, 0)

    def defineXMLFlags(self, xml: str, flags: int = 0) -> virDomain:  # noqa: N802
        """With ``VALIDATE`` (1), elements that nobody knows are an error."""
        only(flags, VALIDATE, "defineXMLFlags")
        self._check_writable("virDomainDefineXML")
        domain, text = self._qemu.read(xml, strict=bool(flags & VALIDATE))
        self.root.call("qemu", Define(domain.name, domain.uuid, text))
        return self._domain(domain.name, domain.uuid)

    def createXML(self, xml: str, flags: int = 0) -> virDomain:  # noqa: N802
        """Start a domain that is gone once it ends, or one that is defined with other details."""
        only(flags, 1 | START_AUTODESTROY | 8 | START_VALIDATE, "createXML")
        self._check_writable("virDomainCreateXML")
        domain, text = self._qemu.read(xml, strict=bool(flags & START_VALIDATE))
        ref = self.root.call("qemu", Create(domain.uuid, flags, domain.name, text))
        self._started(ref.uuid, ref.id, flags)
        return self._domain(ref.name, ref.uuid)

    def createLinux(self, xml: str, flags: int = 0) -> virDomain:  # noqa: N802
        """libvirt's old name of ``createXML``."""
        return self.createXML(xml, flags)

    def _started(self, uuid: str, id_: int, flags: int) -> None:
        if flags & START_AUTODESTROY:
            self._autodestroy[uuid] = id_

    def lookupByName(self, name: str) -> virDomain:  # noqa: N802
        """Raises NoDomain."""
        uuid = self._qemu.tables.uuid_of(name)
        if uuid is None:
            raise NoDomain(f"no domain with matching name '{name}'")
        return self._domain(name, uuid)

    def lookupByUUIDString(self, uuidstr: str) -> virDomain:  # noqa: N802
        """Raises InvalidArgument, NoDomain."""
        return self._by_uuid(uuid_from_string(uuidstr))

    def lookupByUUID(self, uuid: bytes) -> virDomain:  # noqa: N802
        """16 bytes. Raises NoDomain."""
        return self._by_uuid(uuid_text(uuid))

    def _by_uuid(self, uuid: str) -> virDomain:
        name = self._qemu.tables.name_of(uuid)
        if name is None:
            raise NoDomain(f"no domain with matching uuid '{uuid}'")
        return self._domain(name, uuid)

    def lookupByID(self, id: int) -> virDomain:  # noqa: N802
        """A running one. Raises NoDomain."""
        for row in self._qemu.tables.running.values():
            if row.id == id:
                return self._domain(row.name, row.uuid)
        raise NoDomain(f"no domain with matching id {id}")

    def listAllDomains(self, flags: int = 0) -> list[virDomain]:  # noqa: N802
        """Those that match ``virConnectListAllDomainsFlags``; running ones first."""
        only(flags, 0xFFFF, "listAllDomains")
        tables = self._qemu.tables
        found = filters.select(tables.definitions.values(), tables.running.values(), flags)
        return [self._domain(name, uuid) for name, uuid in found]

    def listDomainsID(self) -> list[int]:  # noqa: N802
        """Ids of the running ones."""
        return sorted(row.id for row in self._qemu.tables.running.values())

    def listDefinedDomains(self) -> list[str]:  # noqa: N802
        """Names of those that are defined and do not run."""
        return [domain.name() for domain in self.listAllDomains(filters.INACTIVE)]

    def numOfDomains(self) -> int:  # noqa: N802
        """How many run."""
        return len(self.listDomainsID())

    def numOfDefinedDomains(self) -> int:  # noqa: N802
        """How many are defined and do not run."""
        return len(self.listDefinedDomains())

    # Events.

    def domainEventRegister(self, cb: Callable[..., Any], opaque: Any) -> int:  # noqa: N802
        """Lifecycle events of all domains: ``cb(conn, domain, event, detail, opaque)``."""
        self.domainEventRegisterAny(None, 0, cb, opaque)
        return 0

    def domainEventRegisterAny(  # noqa: N802
        self, dom: virDomain | None, eventID: int, cb: Callable[..., Any], opaque: Any  # noqa: N803
    ) -> int:
        """Events of one domain or of all; answers the id for ``domainEventDeregisterAny``.

        Kinds: LIFECYCLE (0) ``cb(conn, domain, event, detail, opaque)``, REBOOT (1) ``cb(conn, domain, opaque)``.
        """
        uuid = None if dom is None else dom.UUIDString()

        def lifecycle(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, self._domain(event.name, event.uuid), event.event, event.detail, opaque)

        def rebooted(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, self._domain(event.name, event.uuid), opaque)

        kinds = {0: Registration(Lifecycle, lifecycle), 1: Registration(Rebooted, rebooted)}
        self._face("qemu")
        if eventID not in kinds:
            raise NotSupported(f"event {eventID}; known are 0 (lifecycle) and 1 (reboot)")
        return self._register(kinds[eventID])

    def _register(self, registration: Registration) -> int:
        id_ = dispatcher(self.root).add(registration)
        self._callbacks.append(id_)
        return id_

    def _deregister(self, id_: int) -> None:
        if id_ not in self._callbacks or not dispatcher(self.root).remove(id_):
            raise InvalidArgument(f"no event callback with id {id_} on this connection")
        self._callbacks.remove(id_)

    def domainEventDeregisterAny(self, callbackID: int) -> int:  # noqa: N802, N803
        """Raises InvalidArgument for an id that is not registered."""
        self._deregister(callbackID)
        return 0
