"""The named points at which something can be made to go wrong, and what can be done at each."""

from __future__ import annotations

from typing import NamedTuple

HERE = ("crash", "kill", "delay", "hang")
"""What can be done anywhere: it needs nothing of the place but its thread."""

ROUTED = (*HERE, "lose", "duplicate")
FILE = ("error", *HERE)
GUEST = (*HERE, "signal")
MONITOR = ("crash", "kill", "lose", "cut")


class Point(NamedTuple):
    """``where``: one sentence. ``effects``: kinds it supports. ``about``: what ``where=`` may ask for."""

    where: str
    effects: tuple[str, ...]
    about: tuple[str, ...]


POINTS: dict[str, Point] = {
    "message.sent": Point(
        "A call or a message without reply, in its sender's thread, before it goes onto the exchange.",
        ROUTED,
        ("to", "kind"),
    ),
    "message.received": Point(
        "The same in its actor's thread, taken off the exchange and not begun.",
        (*HERE, "lose"),
        ("actor", "kind"),
    ),
    "reply.sent": Point("A reply, in its actor's thread, the work done.", ROUTED, ("actor", "operation")),
    "event.published": Point(
        "An event, in the thread where it happened, before anybody knows of it.", HERE, ("kind",)
    ),
    "event.journalled": Point(
        "A numbered event, in the journal and not yet sent to subscribers.", ROUTED, ("seq",)
    ),
    "actor.starting": Point("An actor's own thread, before its setup.", FILE, ("actor", "generation")),
    "actor.stopping": Point(
        "An actor that was asked to stop, before its teardown.", FILE, ("actor", "generation")
    ),
    "file.created": Point("Before a new file is made.", FILE, ("path",)),
    "file.opened": Point("Before an existing file is opened to be written.", FILE, ("path",)),
    "file.written": Point(
        "Before one write call; a torn one writes its first bytes.", (*FILE, "torn"), ("path",)
    ),
    "file.synced": Point("Before a file's content is synced to disk.", FILE, ("path",)),
    "file.truncated": Point("Before a file is cut to a length, or given room.", FILE, ("path",)),
    "file.linked": Point("Before a file gets a second name.", FILE, ("path",)),
    "file.given": Point("Before a file or a directory gets another owner.", FILE, ("path",)),
    "file.renamed": Point("Before a file takes its final name, which is the path here.", FILE, ("path",)),
    "file.removed": Point("Before a name of a file goes.", FILE, ("path",)),
    "directory.made": Point("Before a directory is made.", FILE, ("path",)),
    "directory.removed": Point("Before a directory goes, empty or with its content.", FILE, ("path",)),
    "directory.synced": Point("Before a directory's names are synced to disk.", FILE, ("path",)),
    "process.spawning": Point("Before a program is started under its recorder.", FILE, ("program",)),
    "process.spawned": Point("A program was started, and nobody has recorded it.", GUEST, ("program", "pid")),
    "process.signalled": Point("Before a signal is sent to a process.", (*FILE, "lose"), ("signal",)),
    "process.reaped": Point("Before a program's recorder is waited for and collected.", FILE, ("pid",)),
    "qmp.connecting": Point("Before a monitor is connected to.", FILE, ("monitor",)),
    "qmp.sent": Point("Before a command goes to QEMU.", (*MONITOR, "delay", "hang"), ("monitor", "command")),
    "qmp.answered": Point(
        "QEMU's answer is here, on the thread of all monitors; its caller has not seen it.",
        MONITOR,
        ("monitor", "command"),
    ),
    "qmp.event": Point(
        "An event of QEMU, on the thread of all monitors.",
        (*MONITOR, "duplicate"),
        ("monitor", "event"),
    ),
    "journal.intent": Point(
        "Before the intent of an operation of several steps is written.", HERE, ("what", "subject")
    ),
    "journal.mark": Point("A step of an operation was done, and its mark is not written.", HERE, ("step",)),
    "journal.result": Point("An operation is over, and its result is not written.", HERE, ("state",)),
}
