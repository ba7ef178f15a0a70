"""A domain's runs: their start, their end, and pausing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.face import Face
from embervirt.errors import ActorUnavailable, InvalidArgument, InvalidConnection
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

DESTROY_GRACEFUL = 1
START_PAUSED, START_AUTODESTROY, START_BYPASS_CACHE, START_FORCE_BOOT = 1, 2, 4, 8
START_VALIDATE, START_RESET_NVRAM = 16, 32
STARTS = START_PAUSED | START_AUTODESTROY | START_BYPASS_CACHE | START_FORCE_BOOT | START_RESET_NVRAM
"""What ``createWithFlags`` knows."""

TRANSIENT_STARTS = START_PAUSED | START_AUTODESTROY | START_VALIDATE | START_RESET_NVRAM
"""What ``createXML`` knows."""


def destroyer(face: Face, ref: messages.DomainRef) -> Callable[[], None]:
    """Ends that run of a domain, and no later one: what autodestroy does when its connection closes."""

    def destroy() -> None:
        row = face.tables.running.get(ref.uuid)
        if row is not None and row.id == ref.id:
            with contextlib.suppress(ActorUnavailable, InvalidConnection):
                face.bus.call(row.actor, messages.Destroy())

    return destroy


class Lifecycle(Handle):
    """The part of ``virDomain`` that starts and ends it."""

    def create(self) -> int:
        """Start it."""
        return self.createWithFlags(0)

    def createWithFlags(self, flags: int = 0) -> int:
        """Start it: paused (1), until this connection closes (2), with its UEFI's variables reset (32).

        BYPASS_CACHE (4) is about the memory that libvirt may have saved, which is not restored here: then
        NotSupported is raised, and FORCE_BOOT (8) removes it. Raises OperationInvalid when it runs.
        """
        only(flags, STARTS, "createWithFlags")
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

    def suspend(self) -> int:
        """Pause it."""
        self._call(messages.Suspend())
        return 0

    def resume(self) -> int:
        """Let it run again."""
        self._call(messages.Resume())
        return 0
