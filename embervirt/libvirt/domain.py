"""``virDomain``: a handle on one domain. Reads look up what the actors publish; the rest is a call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from embervirt.actors.messages import Request
from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import DomainNotRunning, NoDomain
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.states import SHUTOFF
from embervirt.drivers.qemu.tables import Definition, Running
from embervirt.errors import ActorUnavailable, InvalidArgument, InvalidConnection, NotSupported, Quarantined
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_bytes
from embervirt.libvirt.unbuilt import DOMAIN, unbuilt

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

XML_SECURE, XML_INACTIVE, XML_UPDATE_CPU, XML_MIGRATABLE = 1, 2, 4, 8
DESTROY_GRACEFUL = 1
START_AUTODESTROY = 2
CONTROL_OK, CONTROL_ERROR = 0, 3
CONTROL_NO_ERROR, CONTROL_MONITOR, CONTROL_INTERNAL = 0, 2, 3
R = TypeVar("R")


def destroyer(face: Face, ref: messages.DomainRef) -> Callable[[], None]:
    """Ends that run of a domain, and no later one: what autodestroy does when its connection closes."""

    def destroy() -> None:
        row = face.tables.running.get(ref.uuid)
        if row is not None and row.id == ref.id:
            with contextlib.suppress(ActorUnavailable, InvalidConnection):
                face.bus.call(row.actor, messages.Destroy())

    return destroy


class virDomain:
    """Stays valid while the domain and the root do; ``name`` and ``UUID`` even after."""

    def __init__(self, conn: Connection, face: Face, name: str, uuid: str) -> None:
        self._conn, self._face, self._name, self._uuid = conn, face, name, uuid

    def __repr__(self) -> str:
        return f"<virDomain {self._name} {self._uuid}>"

    # Reads: no message.

    def _running(self) -> Running | None:
        self._face.check_open()
        return self._face.tables.running.rows.get(self._uuid)

    def _definition(self) -> Definition | None:
        return self._face.tables.definitions.rows.get(self._uuid)

    def _gone(self) -> NoDomain:
        return NoDomain(f"no domain with matching uuid '{self._uuid}' ({self._name})")

    def _known(self) -> Running | Definition:
        row = self._running() or self._definition()
        if row is None:
            raise self._gone()
        return row

    def connect(self) -> virConnect:
        """The connection it was looked up on."""
        return cast("virConnect", self._conn)

    def name(self) -> str:
        """Its name."""
        return self._name

    def UUID(self) -> bytes:
        """16 bytes."""
        return uuid_bytes(self._uuid)

    def UUIDString(self) -> str:
        """Canonical text."""
        return self._uuid

    def ID(self) -> int:
        """Positive while it runs, else -1."""
        row = self._running()
        return -1 if row is None else row.id

    def OSType(self) -> str:
        """``hvm``: what the guest sees is a whole machine."""
        self._known()
        return "hvm"

    def state(self, flags: int = 0) -> list[int]:
        """``[virDomainState, reason]``. Raises NoDomain."""
        row = self._running()
        if row is not None:
            return list(row.state)
        if self._definition() is None:
            raise self._gone()
        ended = self._face.tables.ended.rows.get(self._uuid)
        return [SHUTOFF, 0] if ended is None else list(ended)

    def isActive(self) -> int:
        """1 while it has a QEMU process. Raises NoDomain, as most calls on a domain that is gone."""
        return int(isinstance(self._known(), Running))

    def isPersistent(self) -> int:
        """1 when it is defined, 0 when it is gone once it ends."""
        self._known()
        return int(self._definition() is not None)

    def isUpdated(self) -> int:
        """1 when it runs with something other than its definition says."""
        row, definition = self._running(), self._definition()
        return int(row is not None and definition is not None and row.origin != definition.xml)

    def XMLDesc(self, flags: int = 0) -> str:
        """The live description, or with flag INACTIVE (2) the one of the next start."""
        only(flags, XML_SECURE | XML_INACTIVE | XML_UPDATE_CPU | XML_MIGRATABLE, "XMLDesc")
        if flags & XML_SECURE:
            self._conn._check_writable("virDomainGetXMLDesc with secure flag")
        row = self._running()
        if row is None or flags & XML_INACTIVE:
            definition = self._definition()
            if definition is not None:
                return definition.xml
            if row is None:
                raise self._gone()
            return row.origin
        return row.xml

    def info(self) -> list[int]:
        """``[state, maximum memory KiB, memory KiB, vCPUs, CPU time ns]``."""
        row = self._known()
        domain = row.domain
        time = self._face.cpu_time(row) if isinstance(row, Running) else 0
        return [self.state()[0], domain.memory, domain.current_memory or domain.memory, domain.vcpus, time]

    def maxMemory(self) -> int:
        """KiB."""
        return self.info()[1]

    def maxVcpus(self) -> int:
        """Of the definition or the running guest."""
        return self.info()[3]

    def controlInfo(self, flags: int = 0) -> list[int]:
        """``[virDomainControlState, virDomainControlErrorReason, 0]``: whether QEMU does what it is told.

        A guest that runs but is degraded says ERROR; why is in ``messages``. Raises DomainNotRunning.
        """
        only(flags, 0, "controlInfo")
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running")
        if not row.degraded:
            return [CONTROL_OK, CONTROL_NO_ERROR, 0]
        by_monitor = row.degraded.startswith("monitor")
        return [CONTROL_ERROR, CONTROL_MONITOR if by_monitor else CONTROL_INTERNAL, 0]

    def messages(self, flags: int = 0) -> list[str]:
        """What is wrong with a guest that runs all the same: empty when nothing is."""
        only(flags, 3, "messages")
        row = self._running()
        if row is None:
            self._known()
        return [row.degraded] if row is not None and row.degraded else []

    # Changes: a call.

    def _call(self, request: Request[R]) -> R:
        """To the guest's actor; a guest that ended meanwhile is one that does not run."""
        self._conn._check_writable(type(request).__name__)
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running")
        try:
            return self._face.bus.call(row.actor, request)
        except Quarantined:
            raise
        except ActorUnavailable as error:
            if self._running() is None:
                raise DomainNotRunning("domain is not running") from error
            raise

    def create(self) -> int:
        """Start it."""
        return self.createWithFlags(0)

    def createWithFlags(self, flags: int = 0) -> int:
        """``VIR_DOMAIN_START_PAUSED`` and ``_AUTODESTROY`` are known; others raise InvalidArgument."""
        only(flags, 1 | START_AUTODESTROY | 8, "createWithFlags")
        self._conn._check_writable("virDomainCreate")
        if flags & START_AUTODESTROY:
            self._conn._check_open()
        ref = self._face.bus.call("qemu", messages.Create(self._uuid, flags))
        if flags & START_AUTODESTROY:
            self._conn._before_close.callback(destroyer(self._face, ref))
        return 0

    def destroy(self) -> int:
        """End it now."""
        return self.destroyFlags(0)

    def destroyFlags(self, flags: int = 0) -> int:
        """With ``GRACEFUL`` (1) QEMU is only asked, and SystemError_ raised when it does not obey."""
        only(flags, DESTROY_GRACEFUL, "destroyFlags")
        self._call(messages.Destroy(bool(flags & DESTROY_GRACEFUL)))
        return 0

    def end(self, patience: float = 60.0) -> str:
        """Beyond libvirt: power button, QMP ``quit``, SIGTERM, SIGKILL, each if the one before did not do.

        ``patience``: seconds that the guest has for its own shutdown. Answers what did it: ``ACPI``,
        ``quit``, ``SIGTERM`` or ``SIGKILL``. Raises SystemError_ (EBUSY) when nothing did.
        """
        return self._call(messages.End(patience))

    def adopt(self, xml: str) -> None:
        """Beyond libvirt: describe an orphan, a guest whose record was lost (``messages`` says so)."""
        self._face.check_open()
        domain, text = self._face.read(xml)
        if (domain.name, domain.uuid) != (self._name, self._uuid):
            raise InvalidArgument(f"this XML describes {domain.name!r} {domain.uuid}, not {self!r}")
        self._call(messages.Adopt(text))

    def shutdown(self) -> int:
        """Press the power button; returns at once."""
        return self.shutdownFlags(0)

    def shutdownFlags(self, flags: int = 0) -> int:
        """``ACPI_POWER_BTN`` (1) is the only way there is yet."""
        if flags & ~1:
            raise NotSupported("shutdown by other means than the ACPI power button (flag 1)")
        self._call(messages.Shutdown())
        return 0

    def suspend(self) -> int:
        """Pause it."""
        self._call(messages.Suspend())
        return 0

    def resume(self) -> int:
        """Let it run again."""
        self._call(messages.Resume())
        return 0

    def undefine(self) -> int:
        """Forget the definition."""
        return self.undefineFlags(0)

    def undefineFlags(self, flags: int = 0) -> int:
        """All flags are accepted: they name files that these domains never have."""
        only(flags, 0x7F, "undefineFlags")
        if flags & 4 and flags & 8:
            raise InvalidArgument("flags NVRAM (4) and KEEP_NVRAM (8) exclude each other")
        self._conn._check_writable("virDomainUndefine")
        self._face.bus.call("qemu", messages.Undefine(self._uuid, flags))
        return 0

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, DOMAIN, self)
