"""The QEMU driver's contract: what its actors, ``qemu`` and ``guest/ID``, are asked and tell."""

from __future__ import annotations

from embervirt.actors.handover import Token
from embervirt.actors.messages import Event, Message, Request
from embervirt.drivers.qemu.model.edits import Edit


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


class SetAutostart(Request[None], frozen=True):
    """Whether a defined domain starts with the first opening of the root after the host's start."""

    safe = True
    uuid: str
    on: bool


class Rename(Request[DomainRef], frozen=True):
    """Another ``name`` for a defined domain that does not run."""

    safe = True
    uuid: str
    name: str


class Edited(Request[None], frozen=True):
    """Another definition by ``edit``; nobody is told with ``quiet``."""

    safe = True
    uuid: str
    edit: Edit
    quiet: bool = False


class Replug(Request[None], frozen=True):
    """Another device in a definition: ``verb`` (``plugging.Verb``) and the device's XML, or its alias."""

    safe = True
    uuid: str
    verb: str
    text: str


class Create(Request[DomainRef], frozen=True):
    """Start a defined domain, or with ``xml`` a transient one. ``flags``: virDomainCreateFlags."""

    safe = True
    seconds = 60.0
    uuid: str
    flags: int = 0
    name: str = ""
    xml: str = ""


class Revive(Message, frozen=True):
    """The guest of this domain died with its QEMU, and is to start again; ``xml`` is a transient one's."""

    uuid: str
    name: str
    xml: str


# To a guest's actor.


class EditedLive(Request[None], frozen=True):
    """Another running guest by ``edit``: asked of QEMU where it concerns that, and seen in its live XML."""

    safe = True
    edit: Edit


class Plug(Request[None], frozen=True):
    """Another device in the running guest, as ``Replug``. A detach waits some seconds for the guest."""

    safe = True
    verb: str
    text: str


class Suspend(Request[None], frozen=True):
    """Pause the vCPUs."""

    safe = True


class Resume(Request[None], frozen=True):
    """Let them run again."""

    safe = True


class Shutdown(Request[None], frozen=True):
    """Ask the guest to power itself off. ``flags``: virDomainShutdownFlagValues, 0 for what there is."""

    safe = True
    seconds = 90.0
    flags: int = 0


class Reboot(Request[None], frozen=True):
    """Ask the guest to reboot. ``flags``: virDomainRebootFlagValues, 0 for what there is."""

    safe = True
    seconds = 90.0
    flags: int = 0


class Reset(Request[None], frozen=True):
    """Reset the machine, without asking anybody."""

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


class MonitorCommand(Request[str], frozen=True):
    """As ``Query``, answered as by libvirt: QEMU's whole reply, a refusal too; ``hmp``: what it prints."""

    safe = True
    command: str
    hmp: bool = False


class AgentCommand(Request[str], frozen=True):
    """A command for the guest's agent, as JSON text; replies its whole reply, as JSON text.

    ``timeout``: virDomainAgentResponseTimeoutValues or seconds for the answer; 0 sends it and replies the
    empty text; None is what the guest has.
    """

    safe = True
    seconds = 3600.0
    command: str
    timeout: int | None = None


class AgentTimeout(Request[None], frozen=True):
    """How long the guest's agent has from now on, for this run: as in ``AgentCommand``."""

    timeout: int


class SetPassword(Request[None], frozen=True):
    """The guest's agent sets a user's password, which is handed over; ``crypted``: it is a hash of one."""

    seconds = 60.0
    user: str
    token: Token
    crypted: bool = False


class SendKey(Request[None], frozen=True):
    """Press keys together; ``keys`` are QEMU's key numbers, ``hold`` is milliseconds, 0 for QEMU's own."""

    safe = True
    keys: list[int]
    hold: int = 0


class InjectNmi(Request[None], frozen=True):
    """Send a non-maskable interrupt."""

    safe = True


class WakeUp(Request[None], frozen=True):
    """Wake a guest that has suspended itself."""

    safe = True


class SetThreshold(Request[None], frozen=True):
    """Tell when a block node is written to behind ``threshold`` bytes: ``ThresholdExceeded``; 0 for never."""

    safe = True
    node: str
    threshold: int


class Screenshot(Request[str], frozen=True):
    """Draw the screen of the display device ``alias`` into a PNG file; replies its path, to be removed."""

    safe = True
    alias: str
    head: int = 0


class ResizeBlock(Request[None], frozen=True):
    """Give a block node another size, in bytes."""

    safe = True
    node: str
    size: int


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


# Events of the machine, as QEMU tells them; numbers are libvirt's. Each is of one run of a guest.


class OfGuest(Event, frozen=True):
    """What each has."""

    name: str
    uuid: str
    id: int


class MetadataChanged(OfGuest, frozen=True):
    """``type``: virDomainMetadataType; ``uri`` of an element."""

    type: int
    uri: str


class AutostartFailed(OfGuest, frozen=True):
    """A domain that should start with the root did not, because of ``why``."""

    why: str


class NotRevived(OfGuest, frozen=True):
    """A guest whose QEMU died did not start again as its ``on_crash`` says, because of ``why``."""

    why: str


class ClockChanged(OfGuest, frozen=True):
    """The guest set its clock: ``offset`` is seconds from UTC."""

    offset: int


class WatchdogBarked(OfGuest, frozen=True):
    """``action``: virDomainEventWatchdogAction."""

    action: int


class IoFailed(OfGuest, frozen=True):
    """``action``: virDomainEventIOErrorAction; ``reason`` is ``enospc`` or empty."""

    path: str
    alias: str
    action: int
    reason: str


class GraphicsUsed(OfGuest, frozen=True):
    """``phase``: virDomainEventGraphicsPhase; addresses: family, node, service; ``subject``: type, name."""

    phase: int
    local: tuple[int, str, str]
    remote: tuple[int, str, str]
    scheme: str
    subject: list[tuple[str, str]]


class TrayMoved(OfGuest, frozen=True):
    """``reason``: virDomainEventTrayChangeReason."""

    alias: str
    reason: int


class GuestWoke(OfGuest, frozen=True):
    """From a suspension of its own."""


class GuestSuspended(OfGuest, frozen=True):
    """It suspended itself to memory, or to disk."""

    disk: bool


class BalloonMoved(OfGuest, frozen=True):
    """``actual`` is KiB."""

    actual: int


class DeviceRemoved(OfGuest, frozen=True):
    """The guest let it go, or refused to (``failed``). ``why``: how that is known, if QEMU did not tell."""

    alias: str
    failed: bool = False
    why: str = ""


class DeviceAdded(OfGuest, frozen=True):
    """Plugged into a guest that runs."""

    alias: str


class AgentState(OfGuest, frozen=True):
    """``state``, ``reason``: virConnectDomainEventAgentLifecycleState and its reason."""

    state: int
    reason: int


class ThresholdExceeded(OfGuest, frozen=True):
    """``dev`` is the disk's target, with the number of the node in brackets for one of its chain; bytes."""

    dev: str
    path: str
    threshold: int
    excess: int


class MemoryFailed(OfGuest, frozen=True):
    """``recipient``, ``action``, ``flags``: virDomainMemoryFailure*."""

    recipient: int
    action: int
    flags: int


class MonitorHeard(OfGuest, frozen=True):
    """Any event of QEMU's, while somebody listens: ``data`` is JSON text, empty when there is none."""

    event: str
    seconds: int
    micros: int
    data: str
