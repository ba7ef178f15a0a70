"""What a driver is to a root. All, ours too, are found by the entry point group ``embervirt.drivers``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from embervirt.actors.actor import Actor, Context
from embervirt.actors.bus import Bus
from embervirt.config.settings import Settings
from embervirt.drivers.root.journal import Journal
from embervirt.drivers.root.paths import RootPaths
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.spec import Backoff, ChildSpec
from embervirt.supervisor.supervisor import Supervisor

ROOT = ("root",)
DRIVERS = ("root", "drivers")
GUESTS = ("root", "guests")
KeyProvider = Callable[[], bytes]


def backoff(settings: Settings) -> Backoff:
    """Delays between restarts, as set."""
    chosen = settings.supervision
    return Backoff(chosen.backoff_initial, chosen.backoff_factor, chosen.backoff_cap, chosen.backoff_jitter)


def child(settings: Settings, bus: Bus, id_: str, make: Callable[[Context], Actor], **spec: Any) -> ChildSpec:
    """The specification of an actor, with the delays and times that the settings say."""
    shutdown = settings.supervision.shutdown_timeout
    return actor_child(id_, make, bus, backoff=backoff(settings), shutdown=shutdown, **spec)


@dataclass(frozen=True)
class Environment:
    """What a root offers its drivers. ``resources`` is closed after all actors have ended.

    ``journal``: what became of operations. ``secret_key``: the host program's own key for the secret driver,
    32 bytes, or None.
    """

    paths: RootPaths
    settings: Settings
    bus: Bus
    supervisor: Supervisor
    resources: ExitStack
    journal: Journal
    secret_key: KeyProvider | None = None

    def child(self, id_: str, make: Callable[[Context], Actor], **spec: Any) -> ChildSpec:
        """The specification of an actor of this root, with the delays and times that the settings say."""
        return child(self.settings, self.bus, id_, make, **spec)


@dataclass(frozen=True)
class Part:
    """A driver in one root: its actor's specification, and what its handles read without a message.

    ``settle`` is called once its actor is up, and returns when what the driver found is known. ``begin`` is
    called after that, when other drivers can be called, and what was found is to be acted upon.
    ``elsewhere``: the URI of the libvirtd that is asked instead; a root has no handles on what is there.
    """

    spec: ChildSpec
    face: Any = None
    settle: Callable[[], None] = lambda: None
    begin: Callable[[], None] = lambda: None
    elsewhere: str = ""


@dataclass(frozen=True)
class Driver:
    """``name`` is the URI's scheme and the actor's name on the bus; ``uses``: drivers it calls.

    ``open`` is called once for a root, on first use.
    """

    name: str
    open: Callable[[Environment], Part]
    uses: frozenset[str] = frozenset()
