"""The QEMU driver's contract: what its actors, ``qemu`` and ``guest/ID``, are asked and tell."""

from __future__ import annotations

from embervirt.actors.messages import Event, Message, Request


class DomainRef(Message, frozen=True):
    """Which domain: ``id`` is -1 while it is inactive."""

    name: str
    uuid: str
    id: int


# To the driver's actor.


class Define(Request[DomainRef], frozen=True):
    """Keep ``xml`` (complete, as rendered from the parsed model) as a definition."""

    safe = True
    name: str
    uuid: str
    xml: str


class Undefine(Request[None], frozen=True):
    """Forget the definition; a running guest becomes transient. ``flags``: virDomainUndefineFlagsValues."""

    safe = True
    uuid: str
    flags: int


class Create(Request[DomainRef], frozen=True):
    """Start a defined domain, or with ``xml`` a transient one. ``flags``: virDomainCreateFlags."""

    safe = True
    seconds = 60.0
    uuid: str
    flags: int = 0
    name: str = ""
    xml: str = ""


# To a guest's actor.


class Suspend(Request[None], frozen=True):
    """Pause the vCPUs."""

    safe = True


class Resume(Request[None], frozen=True):
    """Let them run again."""

    safe = True


class Shutdown(Request[None], frozen=True):
    """Press the ACPI power button; the guest decides."""

    safe = True


class Destroy(Request[None], frozen=True):
    """End QEMU now: SIGTERM, and SIGKILL when that is not obeyed (unless ``graceful``)."""

    safe = True
    seconds = 60.0
    graceful: bool = False


class End(Request[str], frozen=True):
    """Power button, QMP ``quit``, SIGTERM, SIGKILL, until one works: replies ``ACPI``, ``quit``, ...

    ``patience``: seconds that the guest has for its own shutdown.
    """

    safe = True
    seconds = 300.0
    patience: float = 60.0


class Adopt(Request[None], frozen=True):
    """Describe an orphan, a guest whose record was lost: ``xml`` as in ``Define``."""

    safe = True
    xml: str


class Query(Request[str], frozen=True):
    """A QMP command of the caller's, as JSON text; replies its return value as JSON text."""

    safe = True
    command: str


# Events.


class Lifecycle(Event, frozen=True):
    """``event`` and ``detail``: virDomainEventType and its detail; ``why``: the cause in words, if known."""

    name: str
    uuid: str
    id: int
    event: int
    detail: int
    why: str = ""


class Rebooted(Event, frozen=True):
    """The guest was reset, by itself or by request; what follows within half a second is not told again."""

    name: str
    uuid: str
    id: int


class Degraded(Event, frozen=True):
    """The guest runs, and something about it does not work: ``why`` begins with what, ``monitor`` say."""

    name: str
    uuid: str
    id: int
    why: str


class Recovered(Event, frozen=True):
    """All of it works again."""

    name: str
    uuid: str
    id: int
