"""Asking a guest to power off, to reboot, to sleep; and doing it to it."""

from __future__ import annotations

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, DomainArgumentUnsupported
from embervirt.errors import InvalidArgument
from embervirt.libvirt.domain.agent import AgentCalls
from embervirt.libvirt.flags import only

ACPI_OR_AGENT = 3
TARGETS = ("guest-suspend-ram", "guest-suspend-disk", "guest-suspend-hybrid")
"""By virNodeSuspendTarget."""

SLEEPS = 60
"""Seconds for a guest to fall asleep."""


class Power(AgentCalls):
    """The part of ``virDomain`` about its power."""

    def shutdown(self) -> int:
        """Ask it to power itself off: by its agent if it has one, else by the power button."""
        return self.shutdownFlags(0)

    def shutdownFlags(self, flags: int = 0) -> int:
        """``ACPI_POWER_BTN`` (1): returns at once; ``GUEST_AGENT`` (2): when it obeys; both: either does.

        Raises AgentUnresponsive, AgentRefused, DomainArgumentUnsupported when only the agent would do.
        """
        only(flags, ACPI_OR_AGENT, "shutdownFlags")
        self._call(messages.Shutdown(flags))
        return 0

    def reboot(self, flags: int = 0) -> int:
        """Ask it to reboot; ``flags`` as ``shutdownFlags``."""
        only(flags, ACPI_OR_AGENT, "reboot")
        self._call(messages.Reboot(flags))
        return 0

    def reset(self, flags: int = 0) -> int:
        """Reset the machine, as a button on it would; the guest is not asked."""
        only(flags, 0, "reset")
        self._call(messages.Reset())
        return 0

    def injectNMI(self, flags: int = 0) -> int:
        """Send it a non-maskable interrupt."""
        only(flags, 0, "injectNMI")
        self._call(messages.InjectNmi())
        return 0

    def pMSuspendForDuration(self, target: int, duration: int, flags: int = 0) -> int:
        """Its agent puts it to sleep: ``target`` MEM (0), DISK (1), HYBRID (2); ``duration`` must be 0."""
        only(flags, 0, "pMSuspendForDuration")
        if duration:
            raise DomainArgumentUnsupported("Duration not supported. Use 0 for now")
        if not 0 <= target < len(TARGETS):
            raise InvalidArgument(f"Unknown suspend target: {target}", virdomain=VIR_FROM_QEMU)
        self._ask_agent(TARGETS[target], timeout=SLEEPS)
        return 0

    def pMWakeup(self, flags: int = 0) -> int:
        """Wake it. Raises MonitorError when it does not sleep."""
        only(flags, 0, "pMWakeup")
        self._call(messages.WakeUp())
        return 0
