"""The QEMU driver's leaves of the error tree; codes and words as libvirt 9 answers the same failure."""

from __future__ import annotations

from embervirt.errors import (
    ArgumentUnsupported,
    InternalError,
    OperationFailed,
    OperationInvalid,
    OperationTimeout,
    OperationUnsupported,
    OutcomeUnknown,
    SystemError_,
    libvirtError,
)

VIR_FROM_QEMU = 10
"""``virErrorDomain`` of the QEMU driver."""

VIR_FROM_STORAGE, VIR_FROM_DOM, VIR_FROM_SECURITY = 18, 20, 24
"""Of libvirt's parts that speak up in the QEMU driver's calls."""


class MonitorError(InternalError):
    """QEMU refused a command. ``error_class`` is QMP's, like ``DeviceNotFound``; ``desc`` its explanation."""

    virdomain = VIR_FROM_QEMU

    def __init__(self, command: str, error_class: str, desc: str) -> None:
        super().__init__(f"unable to execute QEMU command '{command}': {desc}")
        self.command = command
        self.error_class = error_class
        self.desc = desc


class MonitorLost(OutcomeUnknown):
    """There is no session with QEMU, or it ended: a command without an answer may have been executed."""

    virdomain = VIR_FROM_QEMU


class MonitorTimeout(OperationTimeout):
    """QEMU did not answer in time; the command may still be executed, its answer is then dropped."""

    virdomain = VIR_FROM_QEMU


class GuestDegraded(OperationFailed):
    """The guest runs but QEMU cannot be told anything now; certainly nothing was done."""

    virdomain = VIR_FROM_QEMU


class LaunchFailed(InternalError):
    """QEMU ended before it answered; the message has its last lines."""

    virdomain = VIR_FROM_QEMU


class ProbeFailed(InternalError):
    """What stands at the emulator's path did not answer as QEMU does; the message has what it said."""

    virdomain = VIR_FROM_QEMU


class NoEmulator(SystemError_):
    """The emulator cannot be executed; ``get_int1`` is the errno."""

    virdomain = VIR_FROM_QEMU


class NoDomain(libvirtError):
    """No domain has that name, UUID or id."""

    code, virdomain, prefix = 42, VIR_FROM_QEMU, "Domain not found"


class DomainExists(OperationFailed):
    """Another domain has that name or UUID."""

    virdomain = VIR_FROM_DOM


class DomainNotRunning(OperationInvalid):
    """Only a running domain can do that."""

    virdomain = VIR_FROM_DOM


class AgentUnresponsive(libvirtError):
    """The guest's agent does not answer, or is not there; what it was told may have happened."""

    code, virdomain, prefix = 86, VIR_FROM_QEMU, "Guest agent is not responding"


class AgentRefused(InternalError):
    """The guest's agent did not do what it was told; the message has its reason."""

    virdomain = VIR_FROM_QEMU


class DomainArgumentUnsupported(ArgumentUnsupported):
    """A valid wish that this guest is not made for."""

    virdomain = VIR_FROM_QEMU


class DomainOperationUnsupported(OperationUnsupported):
    """What this device cannot do."""

    virdomain = VIR_FROM_QEMU


class NoSnapshot(libvirtError):
    """The domain has no such snapshot."""

    code, virdomain, prefix = 72, VIR_FROM_QEMU, "Domain snapshot not found"


class NoMetadata(libvirtError):
    """It has no such title, description or element."""

    code, virdomain, prefix = 80, VIR_FROM_DOM, "metadata not found"


class NoCheckpoint(libvirtError):
    """The domain has no such checkpoint."""

    code, virdomain, prefix = 103, VIR_FROM_QEMU, "Domain checkpoint not found"


class NoBackup(libvirtError):
    """No backup of the domain is under way."""

    code, virdomain, prefix = 104, VIR_FROM_QEMU, "Domain backup job id not found"


class NoDevice(libvirtError):
    """``VIR_ERR_DEVICE_MISSING``: the domain has no such device."""

    code, virdomain, prefix = 99, VIR_FROM_QEMU, "device not found"


class CpuIncompatible(libvirtError):
    """The host's CPU cannot be what the guest's is to be."""

    code, virdomain, prefix = 91, 31, "the CPU is incompatible with host CPU"
