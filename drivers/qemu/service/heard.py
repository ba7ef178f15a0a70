"""QEMU's events as those of the driver: what each tells, with libvirt's numbers. Pure.

That a device left is told by who took what stood behind it (``actor.plugging``); what the guest's clock is
now depends on what it was at the start (``actor.hearing``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.messages import OfGuest
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service import blocks

Who = tuple[str, str, int]
"""Name, UUID and id of a run."""

Data = dict[str, Any]
Tell = Callable[[Data, Who, Domain], Iterator[OfGuest]]

WATCHDOG = {"none": 0, "pause": 1, "reset": 2, "poweroff": 3, "shutdown": 4, "debug": 5, "inject-nmi": 6}
IO_ERROR = {"ignore": 0, "stop": 1, "report": 2}
FAMILY = {"ipv4": 0, "ipv6": 1, "unix": 2}
CONNECT, INITIALIZE, DISCONNECT = range(3)
OPEN, CLOSE = range(2)
RECIPIENT = {"hypervisor": 0, "guest": 1}
FAILURE = {"ignore": 0, "inject": 1, "fatal": 2, "reset": 3}
SUBJECT = {"x509_dname": "x509dname", "sasl_username": "saslUsername"}
"""What QEMU knows of a client, and what libvirt calls it."""


def told(event: Data, who: Who, domain: Domain) -> list[OfGuest]:
    """What a QMP event tells beyond a change of state; nothing for most."""
    tell = TELLS.get(event["event"])
    return [] if tell is None else list(tell(event.get("data", {}), who, domain))


def _watchdog(data: Data, who: Who, _: Domain) -> Iterator[OfGuest]:
    yield messages.WatchdogBarked(*who, WATCHDOG[data["action"]])


def _io_error(data: Data, who: Who, domain: Domain) -> Iterator[OfGuest]:
    node = blocks.named(domain, data.get("node-name", ""))
    path, alias = (node.path, node.disk.id) if node else ("", "")
    reason = "enospc" if data.get("nospace") else ""
    yield messages.IoFailed(*who, path, alias, IO_ERROR[data["action"]], reason)


def _graphics(phase: int) -> Tell:
    def tell(data: Data, who: Who, _: Domain) -> Iterator[OfGuest]:
        server, client = data["server"], data["client"]
        subject = [(libvirts, client[name]) for name, libvirts in SUBJECT.items() if name in client]
        scheme = server.get("auth", "")
        yield messages.GraphicsUsed(*who, phase, _end(server), _end(client), scheme, subject)

    return tell


def _end(of: Data) -> tuple[int, str, str]:
    """VNC says ``service`` where SPICE says ``port``."""
    return FAMILY[of["family"]], of["host"], str(of.get("service", of.get("port", "")))


def _tray(data: Data, who: Who, domain: Domain) -> Iterator[OfGuest]:
    aliases = {disk.id for disk in domain.devices.disks}
    if data["id"] in aliases:
        yield messages.TrayMoved(*who, data["id"], OPEN if data["tray-open"] else CLOSE)


def _woke(_: Data, who: Who, __: Domain) -> Iterator[OfGuest]:
    yield messages.GuestWoke(*who)


def _suspended(disk: bool) -> Tell:
    def tell(_: Data, who: Who, __: Domain) -> Iterator[OfGuest]:
        yield messages.GuestSuspended(*who, disk)

    return tell


def _balloon(data: Data, who: Who, _: Domain) -> Iterator[OfGuest]:
    yield messages.BalloonMoved(*who, -(-data["actual"] // 1024))


def _threshold(data: Data, who: Who, domain: Domain) -> Iterator[OfGuest]:
    node = blocks.named(domain, data["node-name"])
    if node is not None:
        for dev in node.names:
            limit, excess = data["write-threshold"], data["amount-exceeded"]
            yield messages.ThresholdExceeded(*who, dev, node.path, limit, excess)


def _memory(data: Data, who: Who, _: Domain) -> Iterator[OfGuest]:
    flags = data["flags"]
    bits = flags["action-required"] | flags["recursive"] << 1
    yield messages.MemoryFailed(*who, RECIPIENT[data["recipient"]], FAILURE[data["action"]], bits)


TELLS: dict[str, Tell] = {
    "WATCHDOG": _watchdog,
    "BLOCK_IO_ERROR": _io_error,
    "VNC_CONNECTED": _graphics(CONNECT),
    "VNC_INITIALIZED": _graphics(INITIALIZE),
    "VNC_DISCONNECTED": _graphics(DISCONNECT),
    "SPICE_CONNECTED": _graphics(CONNECT),
    "SPICE_INITIALIZED": _graphics(INITIALIZE),
    "SPICE_DISCONNECTED": _graphics(DISCONNECT),
    "DEVICE_TRAY_MOVED": _tray,
    "WAKEUP": _woke,
    "SUSPEND": _suspended(disk=False),
    "SUSPEND_DISK": _suspended(disk=True),
    "BALLOON_CHANGE": _balloon,
    "BLOCK_WRITE_THRESHOLD": _threshold,
    "MEMORY_FAILURE": _memory,
}
"""By QEMU's name of the event (qapi schema of 7.2)."""
