"""Reads of a domain: look-ups in what the actors publish, no message."""

from __future__ import annotations

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, DomainNotRunning
from embervirt.drivers.qemu.service.shown import migratable, shown
from embervirt.drivers.qemu.states import SHUTOFF
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import OperationDenied
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

XML_SECURE, XML_INACTIVE, XML_UPDATE_CPU, XML_MIGRATABLE = 1, 2, 4, 8
CONTROL_OK, CONTROL_ERROR = 0, 3
CONTROL_NO_ERROR, CONTROL_MONITOR, CONTROL_INTERNAL = 0, 2, 3


class Reads(Handle):
    """The part of ``virDomain`` that only looks."""

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
        """0: libvirt 9's QEMU driver says so of every domain, whatever its definition has become."""
        self._known()
        return 0

    def XMLDesc(self, flags: int = 0) -> str:
        """The live description, or with flag INACTIVE (2) the one of the next start.

        Passwords are in it with SECURE (1), and with MIGRATABLE (8), which leaves out what any libvirt adds
        by itself. A read-only connection may ask for neither. UPDATE_CPU (4) changes nothing.
        """
        only(flags, XML_SECURE | XML_INACTIVE | XML_UPDATE_CPU | XML_MIGRATABLE, "XMLDesc")
        if not flags & (XML_SECURE | XML_MIGRATABLE):
            return shown(self._xml(flags))
        if self._conn._readonly:
            raise OperationDenied("virDomainGetXMLDesc with secure flag", virdomain=VIR_FROM_DOM)
        xml = self._xml(flags)
        return migratable(xml) if flags & XML_MIGRATABLE else xml

    def _xml(self, flags: int) -> str:
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
