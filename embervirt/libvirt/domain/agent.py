"""What a guest's agent (qemu-guest-agent) is asked."""

from __future__ import annotations

import json
from typing import Any

from embervirt import world
from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, AgentUnresponsive
from embervirt.drivers.secret.value import SecretValue
from embervirt.errors import InvalidArgument
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

BLOCK = -2
"""The lowest of virDomainAgentResponseTimeoutValues; those above zero are seconds."""

HANDED = 60.0
"""Seconds in which the guest's actor takes what it is given."""

TIME_SYNC, HOSTNAME_AGENT, PASSWORD_ENCRYPTED = 1, 2, 1
NANOSECONDS = 1_000_000_000


class AgentCalls(Handle):
    """The part of ``virDomain`` that its agent answers.

    Each raises OperationInvalid while it does not run, DomainArgumentUnsupported without a channel for an
    agent, AgentUnresponsive, and AgentRefused.
    """

    def agentSetResponseTimeout(self, timeout: int, flags: int = 0) -> int:
        """Seconds that calls wait for the agent of this guest while it runs, whoever makes them.

        DEFAULT (-1) is 5, BLOCK (-2) for ever; with NOWAIT (0) those that return something fail.
        """
        only(flags, 0, "agentSetResponseTimeout")
        self._call(messages.AgentTimeout(known(timeout)))
        return 0

    def _ask_agent(self, command: str, *, timeout: int | None = None, **arguments: Any) -> Any:
        """What it returns. ``timeout``: another than the guest's own."""
        asked = {"execute": command, **({"arguments": arguments} if arguments else {})}
        reply = self._call(messages.AgentCommand(json.dumps(asked), timeout))
        if not reply:
            text = f"the reply to {command} was not waited for, as this guest's agent is set"
            raise AgentUnresponsive(text)
        return json.loads(reply)["return"]

    def getTime(self, flags: int = 0) -> dict[str, int]:
        """Its clock: ``seconds`` and ``nseconds`` since 1970."""
        only(flags, 0, "getTime")
        seconds, nanoseconds = divmod(int(self._ask_agent("guest-get-time")), NANOSECONDS)
        return {"seconds": seconds, "nseconds": nanoseconds}

    def setTime(self, time: dict[str, int] | None = None, flags: int = 0) -> int:
        """Set its clock to a time as ``getTime`` gives it; with SYNC (1) to that of its hardware's."""
        only(flags, TIME_SYNC, "setTime")
        if flags & TIME_SYNC:
            self._ask_agent("guest-set-time")
        else:
            if time is None:
                raise TypeError("time must be a dictionary or None with flags set")
            nanoseconds = time.get("seconds", 0) * NANOSECONDS + time.get("nseconds", 0)
            self._ask_agent("guest-set-time", time=nanoseconds)
        return 0

    def hostname(self, flags: int = 0) -> str:
        """What it calls itself."""
        only(flags, HOSTNAME_AGENT | 1, "hostname")
        return str(self._ask_agent("guest-get-host-name")["host-name"])

    def fsFreeze(self, mountpoints: list[str] | None = None, flags: int = 0) -> int:
        """Its file systems, or those; how many were frozen."""
        only(flags, 0, "fsFreeze")
        if mountpoints:
            return int(self._ask_agent("guest-fsfreeze-freeze-list", mountpoints=mountpoints))
        return int(self._ask_agent("guest-fsfreeze-freeze"))

    def fsThaw(self, mountpoints: list[str] | None = None, flags: int = 0) -> int:
        """All of them, whatever is named, as in libvirt; how many were thawed."""
        only(flags, 0, "fsThaw")
        return int(self._ask_agent("guest-fsfreeze-thaw"))

    def fSTrim(self, mountPoint: str | None, minimum: int, flags: int = 0) -> int:
        """Give back what it does not use, in pieces of at least ``minimum`` bytes."""
        only(flags, 0, "fSTrim")
        if mountPoint is not None:
            text = "Specifying mount point is not supported for now"
            raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
        self._ask_agent("guest-fstrim", minimum=minimum)
        return 0

    def setUserPassword(self, user: str | None, password: str | None, flags: int = 0) -> int:
        """Of a user of it; with ENCRYPTED (1) it is a hash as its operating system has it."""
        only(flags, PASSWORD_ENCRYPTED, "setUserPassword")
        if user is None or password is None:
            raise InvalidArgument("user and password in setUserPassword must not be None")
        self._conn._check_writable("virDomainSetUserPassword")
        value = SecretValue(password.encode())
        token = self._face.bus.handover.put(value, world.monotonic() + HANDED)
        self._call(messages.SetPassword(user, token, bool(flags & PASSWORD_ENCRYPTED)))
        return 0


def known(timeout: int) -> int:
    """It, if it is one. Raises InvalidArgument."""
    if timeout < BLOCK:
        text = f"guest agent timeout '{timeout}' is less than the minimum '{BLOCK}'"
        raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
    return timeout
