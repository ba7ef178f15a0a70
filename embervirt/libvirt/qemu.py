"""The functions of libvirt-python's module ``libvirt_qemu``: QEMU's monitor, its events, the guest agent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

from embervirt.drivers.qemu import messages
from embervirt.errors import InvalidArgument, NotSupported
from embervirt.libvirt.callbacks import Registration
from embervirt.libvirt.connect import virConnect
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.domain.agent import known
from embervirt.libvirt.flags import only

HMP = 1
REGEX, NOCASE = 1, 2

MonitorCallback = Callable[[virConnect, virDomain, str, int, int, str | None, Any], Any]


def qemuMonitorCommand(domain: virDomain, cmd: str, flags: int) -> str:
    """QEMU's whole reply to a command as JSON, a refusal too; with HMP (1) what a line of text prints."""
    only(flags, HMP, "qemuMonitorCommand")
    return domain._call(messages.MonitorCommand(cmd, bool(flags & HMP)))


def qemuMonitorCommandWithFiles(
    domain: virDomain,
    cmd: str,
    files: list[int] = [],  # noqa: B006 - libvirt-python's
    flags: int = 0,
) -> tuple[str, list[Any]]:
    """As ``qemuMonitorCommand``; with files it raises NotSupported, and no reply has any."""
    if files:
        raise NotSupported("qemuMonitorCommandWithFiles with descriptors to send")
    return qemuMonitorCommand(domain, cmd, flags), []


def qemuAgentCommand(domain: virDomain, cmd: str, timeout: int, flags: int) -> str:
    """The guest agent's whole reply to a command as JSON text.

    ``timeout``: seconds; DEFAULT (-1) is 5, BLOCK (-2) for ever, NOWAIT (0) replies the empty text at once.
    Raises AgentRefused, AgentUnresponsive, DomainArgumentUnsupported.
    """
    only(flags, 0, "qemuAgentCommand")
    return domain._call(messages.AgentCommand(cmd, known(timeout)))


def qemuAttach(conn: virConnect, pid_value: int, flags: int) -> NoReturn:
    """Raises NotSupported, as libvirt does since QEMU's command line is not read back any more."""
    raise NotSupported("virDomainQemuAttach")


def qemuMonitorEventRegister(
    conn: virConnect,
    dom: virDomain | None,
    event: str | None,
    cb: MonitorCallback,
    opaque: Any,
    flags: int = 0,
) -> int:
    """``cb(conn, domain, event, seconds, micros, details, opaque)`` for each event of QEMU's; answers an id.

    ``event``: its name, a regular expression with REGEX (1), in any case with NOCASE (2), None for all.
    ``details`` is JSON text, or None.
    """
    only(flags, REGEX | NOCASE, "qemuMonitorEventRegister")
    fits, face = _pattern(event, flags), conn._qemu
    uuid = None if dom is None else dom.UUIDString()

    def deliver(told: Any) -> None:
        if uuid in (None, told.uuid) and fits(told.event):
            domain = virDomain(conn, face, told.name, told.uuid)
            cb(conn, domain, told.event, told.seconds, told.micros, told.data or None, opaque)

    id_ = conn._register(Registration(messages.MonitorHeard, deliver))
    face.monitor_listeners.add((id(conn), id_))
    conn._before_close.callback(face.monitor_listeners.discard, (id(conn), id_))
    return id_


def qemuMonitorEventDeregister(conn: virConnect, callbackID: int) -> None:
    """No more of them. Raises InvalidArgument for an id that is not registered."""
    conn._deregister(callbackID)
    conn._qemu.monitor_listeners.discard((id(conn), callbackID))


def _pattern(event: str | None, flags: int) -> Callable[[str], bool]:
    if event is None:
        return lambda name: True
    try:
        text = event if flags & REGEX else re.escape(event)
        pattern = re.compile(text, re.IGNORECASE if flags & NOCASE else 0)
    except re.error as error:
        raise InvalidArgument(f"failed to compile regex '{event}': {error}") from error
    if flags & REGEX:
        return lambda name: pattern.search(name) is not None
    return lambda name: pattern.fullmatch(name) is not None
