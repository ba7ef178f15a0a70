"""A guest's agent as its actor sees it: whether it is there, and what it is asked, one command at a time."""

from __future__ import annotations

import base64
import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.errors import AgentRefused, AgentUnresponsive, DomainArgumentUnsupported
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import AgentState
from embervirt.drivers.qemu.service import channels
from embervirt.errors import InternalError, InvalidArgument

CONNECTED, DISCONNECTED = 1, 2
DOMAIN_STARTED, CHANNEL = 1, 2
"""virConnectDomainEventAgentLifecycleState and its reason."""


PATIENCE: dict[int, float | None] = {-2: None, -1: 5.0}
"""Seconds for an answer to VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK and _DEFAULT; others are themselves."""


class Agent:
    """Used on the actor's thread only. ``connected``: the guest has opened the channel."""

    def __init__(self, actor: Actor, face: Face, seen: Seen) -> None:
        self._actor, self._face, self._seen = actor, face, seen
        self._turn: Future[None] | None = None
        self._asked: Future[bytes] = Future()
        self.connected = False
        actor.resources.callback(self._hang_up)
        actor.resources.enter_context(actor.on_cancel(self._hang_up))

    def _hang_up(self) -> None:
        """From any thread: its channel has one client, and that is a successor's turn."""
        self._asked.cancel()

    @property
    def _channel(self) -> channels.Port | None:
        row = self._seen.row
        return None if row is None else channels.agent(row.domain)

    def started(self) -> None:
        """The guest has begun to run, and its agent has not."""
        self._tell(DOMAIN_STARTED)

    def opened(self, alias: str, is_open: bool) -> None:
        """QEMU says that the guest opened a port, or closed it."""
        channel = self._channel
        if channel is not None and channel.alias == alias and is_open != self.connected:
            self.connected = is_open
            self._tell(CHANNEL)

    def found(self, chardevs: list[dict[str, Any]]) -> None:
        """What QEMU says of all its character devices."""
        for each in chardevs:
            self.opened(each["label"].removeprefix("char"), each.get("frontend-open", False))

    def _tell(self, reason: int) -> None:
        domain, state = self._seen.plan.domain, CONNECTED if self.connected else DISCONNECTED
        if self._channel is not None:
            self._actor.publish(AgentState(domain.name, domain.uuid, self._seen.plan.id, state, reason))

    # Commands.

    @property
    def timeout(self) -> int:
        """What the guest has."""
        return self._seen.record.agent_timeout

    def command(self, text: str, timeout: int | None) -> Work[str]:
        """Its whole reply. Raises InvalidArgument for what is no command, else as ``ask``."""
        try:
            named = json.loads(text)["execute"]
            request = json.dumps(json.loads(text)).encode()
        except (ValueError, TypeError, KeyError) as error:
            expected = '{"execute": "guest-ping"}'
            raise InvalidArgument(f"agent command {text[:80]!r}: expected JSON like {expected}") from error
        return (yield from self._converse(str(named), request, self.timeout if timeout is None else timeout))

    def ask(self, command: str, timeout: int, **arguments: Any) -> Work[Any]:
        """What it returns.

        Raises AgentUnresponsive, AgentRefused, DomainArgumentUnsupported, OperationInvalid.
        """
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        reply = yield from self._converse(command, json.dumps(request).encode(), timeout)
        if not reply:
            raise AgentUnresponsive(
                f"the reply to {command} was not waited for, as this guest's agent is set"
            )
        return json.loads(reply)["return"]

    def set_password(self, user: str, password: bytes, crypted: bool) -> Work[None]:
        """Raises as ``ask``."""
        encoded = base64.b64encode(password).decode()
        yield from self.ask(
            "guest-set-user-password", self.timeout, username=user, password=encoded, crypted=crypted
        )

    def path(self) -> Path:
        """Of its channel. Raises what kept a command from it, worded as libvirt does."""
        self._seen.check("ask the guest agent")
        channel = self._channel
        if channel is None:
            raise DomainArgumentUnsupported("QEMU guest agent is not configured")
        if not self.connected:
            raise AgentUnresponsive("QEMU guest agent is not connected")
        return Path(channel.path)

    def _converse(self, command: str, request: bytes, timeout: int) -> Work[str]:
        self.path()
        while self._turn is not None and not self._turn.done():
            yield self._turn
        turn, patience = (Future[None](), PATIENCE.get(timeout, float(timeout)))
        self._turn = turn
        try:
            self._actor.context.fence.check()
            self._asked = self._face.backend.converse(self.path(), request, patience)
            reply = yield self._asked
        finally:
            turn.set_result(None)
        return _checked(command, reply.decode(errors="replace"))


def _checked(command: str, reply: str) -> str:
    if not reply:
        return ""
    try:
        answer = json.loads(reply)
    except ValueError as error:
        raise InternalError(f"cannot parse the guest agent's reply to {command}: {error}") from error
    if not isinstance(answer, dict) or ("return" not in answer and "error" not in answer):
        raise InternalError(f"the guest agent's reply to {command} is neither a return nor an error")
    if "error" in answer:
        desc = answer["error"].get("desc", "unknown error") if isinstance(answer["error"], dict) else ""
        raise AgentRefused(f"unable to execute QEMU agent command '{command}': {desc}")
    return reply
