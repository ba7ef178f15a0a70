"""QEMU as its monitor shows it: commands in, replies and events out. No time, no sockets, no processes.

What it says, and in which order, is what QEMU 7.2 was seen to say; ``tests/contract/test_emulators.py`` holds
the two against each other. It knows the commands that embervirt sends; a script may add others.
"""

from __future__ import annotations

from typing import Any

from embervirt.testing.replies import ANSWERS, ARGUMENTS, Facts, version

Message = dict[str, Any]


class Refusal(Exception):
    """A command that QEMU does not carry out; the arguments are the error's class and its text."""


class Machine:
    """``status`` is QEMU's RunState. ``over`` is set once it is to end; the process then exits with 0."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.devices = dict(facts.devices)
        self.status = "prelaunch" if facts.stopped else "running"
        self.negotiated = False
        self.over = False

    def greet(self) -> Message:
        """A client has come: what it is told first. Until it negotiates, that is all but refusals."""
        self.negotiated = False
        return {"QMP": {"version": version(self.facts.version), "capabilities": ["oob"]}}

    def execute(self, request: object, served: bool | None = None) -> tuple[list[Message], Message]:
        """The events that a request causes, and its reply; QEMU sends them in this order.

        ``served``: whether its client had negotiated when it came, if another one may be there by now.
        """
        events: list[Message] = []
        try:
            known = self.negotiated if served is None else served
            reply: Message = {"return": self._execute(request, known, events)}
        except Refusal as refusal:
            return events, identified(request, error(*refusal.args))
        return events, reply | identified(request, {})

    def _execute(self, request: object, served: bool, events: list[Message]) -> Any:
        name, arguments = understood(request)
        if name == "qmp_capabilities":
            return self._negotiate()
        if not served:
            raise Refusal("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'")
        if name == "query-commands":
            return [{"name": each} for each in COMMANDS]
        if name in ACTS:
            check(arguments, ())
            return getattr(self, ACTS[name])(events)
        if name in CHANGES:
            return getattr(self, CHANGES[name])(arguments, events)
        if name in BACK_ENDS:
            return {}
        if name in ANSWERS:
            check(arguments, ARGUMENTS.get(name, ()))
            return ANSWERS[name](self.facts, self.status, arguments)
        raise Refusal("CommandNotFound", f"The command {name} has not been found")

    def _negotiate(self) -> Message:
        if self.negotiated:
            text = "Capabilities negotiation is already complete, command ignored"
            raise Refusal("CommandNotFound", text)
        self.negotiated = True
        return {}

    # Commands that change something.

    def _stop(self, events: list[Message]) -> Message:
        if self.status == "running":
            self._pause("paused", events)
        return {}

    def _cont(self, events: list[Message]) -> Message:
        if self.status == "shutdown":
            raise Refusal("GenericError", "Resetting the Virtual Machine is required")
        if self.status != "running":
            self.status = "running"
            events.append(event("RESUME"))
        return {}

    def _system_reset(self, events: list[Message]) -> Message:
        events.append(event("RESET", guest=False, reason="host-qmp-system-reset"))
        if self.status != "running":
            self.status = "prelaunch"
        return {}

    def _system_powerdown(self, events: list[Message]) -> Message:
        events.append(event("POWERDOWN"))
        return {}

    def _quit(self, events: list[Message]) -> Message:
        self._end(events, guest=False, reason="host-qmp-quit")
        return {}

    # Devices.

    def _device_add(self, arguments: Message, events: list[Message]) -> Message:
        if arguments.get("id") in self.devices:
            raise Refusal("GenericError", f"Duplicate device ID '{arguments['id']}'")
        if "id" in arguments:
            self.devices[arguments["id"]] = arguments["driver"]
        return {}

    def _device_del(self, arguments: Message, events: list[Message]) -> Message:
        """Of a guest that gives it back at once; QEMU may also tell that after its reply."""
        id_ = arguments["id"]
        if self.devices.pop(id_, None) is None:
            raise Refusal("DeviceNotFound", f"Device '{id_}' not found")
        events.append(event("DEVICE_DELETED", device=id_, path=f"{PERIPHERAL}/{id_}"))
        return {}

    def _qom_list(self, arguments: Message, events: list[Message]) -> list[Message]:
        if arguments["path"] != PERIPHERAL:
            raise Refusal("DeviceNotFound", f"Device '{arguments['path']}' not found")
        found = [{"name": id_, "type": f"child<{driver}>"} for id_, driver in self.devices.items()]
        return [{"name": "type", "type": "string"}, *found]

    # What comes from elsewhere than the monitor.

    def terminate(self) -> list[Message]:
        """The events of SIGTERM, SIGINT or SIGHUP, after which it ends, whatever ``-no-shutdown`` says."""
        events: list[Message] = []
        self._end(events, guest=False, reason="host-signal")
        return events

    def guest(self, deed: str) -> list[Message]:
        """The events of what a guest does by itself, see ``DEEDS``; one that does not run does nothing."""
        events: list[Message] = []
        if self.status == "running":
            getattr(self, DEEDS[deed])(events)
        return events

    def _guest_shuts_down(self, events: list[Message]) -> None:
        self._leave("shutdown", "guest-shutdown", events)

    def _guest_resets(self, events: list[Message]) -> None:
        events.append(event("RESET", guest=True, reason="guest-reset"))

    def _guest_panics(self, events: list[Message]) -> None:
        events.append(event("GUEST_PANICKED", action="pause" if self.facts.stays else "poweroff"))
        if self.facts.stays:
            self._pause("guest-panicked", events)
        else:
            self._end(events, guest=True, reason="guest-panic")

    def _disk_fails(self, events: list[Message]) -> None:
        told = {"device": "", "node-name": "libvirt-1-format", "operation": "write", "action": "stop"}
        events.append(event("BLOCK_IO_ERROR", **told, nospace=True, reason="No space left on device"))
        self._pause("io-error", events)

    def _leave(self, status: str, reason: str, events: list[Message]) -> None:
        if not self.facts.stays:
            self._end(events, guest=True, reason=reason)
            return
        events.append(event("SHUTDOWN", guest=True, reason=reason))
        self._pause(status, events)

    def _pause(self, status: str, events: list[Message]) -> None:
        self.status = status
        events.append(event("STOP"))

    def _end(self, events: list[Message], **told: Any) -> None:
        if not self.over:
            events.append(event("SHUTDOWN", **told))
        self.over = True


ACTS = {
    "cont": "_cont",
    "quit": "_quit",
    "stop": "_stop",
    "system_powerdown": "_system_powerdown",
    "system_reset": "_system_reset",
}
"""Commands without arguments that change something, and the methods that do it."""

CHANGES = {"device_add": "_device_add", "device_del": "_device_del", "qom-list": "_qom_list"}
"""Commands about devices."""

PERIPHERAL = "/machine/peripheral"
"""Where QEMU has those with an id."""

BACK_ENDS = """
    blockdev-add blockdev-del netdev_add netdev_del object-add object-del
""".split()  # noqa: SIM905
"""What a device stands on comes and goes, and nobody looks at it."""

COMMANDS = sorted({"qmp_capabilities", "query-commands", *ACTS, *CHANGES, *BACK_ENDS, *ANSWERS})

DEEDS = {
    "shuts down": "_guest_shuts_down",
    "resets": "_guest_resets",
    "panics": "_guest_panics",
    "disk fails": "_disk_fails",
}
"""What a guest does by itself."""


def event(name: str, **data: Any) -> Message:
    """As QEMU sends it, but for the ``timestamp``, which whoever has a clock adds."""
    return {"event": name, "data": data} if data else {"event": name}


def error(error_class: str, desc: str) -> Message:
    """The reply that refuses."""
    return {"error": {"class": error_class, "desc": desc}}


def identified(request: object, reply: Message) -> Message:
    """The reply with the request's ``id``, if it had one."""
    return reply | {"id": request["id"]} if isinstance(request, dict) and "id" in request else reply


def understood(request: object) -> tuple[str, Message]:
    """The command and its arguments. Raises Refusal, worded as QEMU does."""
    if not isinstance(request, dict):
        raise Refusal("GenericError", "QMP input must be a JSON object")
    for key in request:
        if key not in ("execute", "arguments", "id"):
            raise Refusal("GenericError", f"QMP input member '{key}' is unexpected")
    if "execute" not in request:
        raise Refusal("GenericError", "QMP input lacks member 'execute'")
    return str(request["execute"]), request.get("arguments", {})


def check(arguments: Message, known: tuple[str, ...]) -> None:
    """Raises Refusal for an argument that the command does not have."""
    for key in arguments:
        if key not in known:
            raise Refusal("GenericError", f"Parameter '{key}' is unexpected")
