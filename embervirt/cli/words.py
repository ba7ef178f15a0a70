"""virsh's words for libvirt's numbers: states, their reasons, events and their details."""

from __future__ import annotations

from collections.abc import Sequence

STATES = ("no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
"""By virDomainState."""

REASONS: tuple[tuple[str, ...], ...] = (
    ("unknown",),
    (
        "unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled",
        "save canceled", "event wakeup", "crashed", "post-copy", "post-copy failed",
    ),
    ("unknown",),
    (
        "unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog", "from snapshot",
        "shutting down", "creating snapshot", "crashed", "starting up", "post-copy", "post-copy failed",
        "api error",
    ),
    ("unknown", "user"),
    (
        "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot",
        "daemon",
    ),
    ("unknown", "panicked"),
    ("unknown", "disk"),
)  # fmt: skip
"""By virDomainState, then by its reason (virDomainRunningReason and so on)."""

EVENTS = (
    "Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown", "PMSuspended",
    "Crashed",
)  # fmt: skip
"""By virDomainEventType."""

DETAILS: tuple[tuple[str, ...], ...] = (
    ("Added", "Updated", "Renamed", "Snapshot"),
    ("Removed", "Renamed"),
    ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"),
    (
        "Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot", "API error", "Post-copy",
        "Post-copy Error",
    ),
    ("Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"),
    ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"),
    ("Finished", "Guest request", "Host request"),
    ("Memory", "Disk"),
    ("Panicked", "Crashloaded"),
)  # fmt: skip
"""By virDomainEventType, then by its detail."""

USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
"""By virSecretUsageType."""


def word(words: Sequence[str], number: int) -> str:
    """The word for a number, or the number itself when it is newer than this table."""
    return words[number] if 0 <= number < len(words) else str(number)


def reason(state: int, number: int) -> str:
    """The reason of a state."""
    return word(REASONS[state], number) if 0 <= state < len(REASONS) else str(number)


def lifecycle(event: int, detail: int) -> str:
    """``Started Booted``, as virsh's ``event`` prints it."""
    details = DETAILS[event] if 0 <= event < len(DETAILS) else ()
    return f"{word(EVENTS, event)} {word(details, detail)}"
