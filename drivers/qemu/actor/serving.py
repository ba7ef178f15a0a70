"""Requests to a guest that leave its run as it is: power, keys, pictures, commands for QEMU and its agent."""

from __future__ import annotations

from embervirt.actors.actor import Actor, handles
from embervirt.actors.work import Work
from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.actor.agent import Agent
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.edits import Edits
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.plugging import Plugging
from embervirt.drivers.qemu.actor.power import Power
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.service import monitoring


class Serving(Actor):
    """The part of a guest's actor that passes such requests on."""

    _face: Face
    _seen: Seen
    _link: Link
    _changes: Changes
    _agent: Agent
    _power: Power
    _plugging: Plugging

    @handles(messages.Shutdown)
    def shutdown(self, request: messages.Shutdown) -> Work[None]:
        """By button, replies at once: the guest's own shutdown is an event."""
        return self._power.shutdown(request.flags)

    @handles(messages.Reboot)
    def reboot(self, request: messages.Reboot) -> Work[None]:
        """The same."""
        return self._power.reboot(request.flags)

    @handles(messages.Reset)
    def reset(self, _: messages.Reset) -> Work[None]:
        """In turn: a change that is under way would be of another machine."""
        return self._changes.one("reset", self._power.reset())

    @handles(messages.EditedLive)
    def edited(self, request: messages.EditedLive) -> Work[None]:
        """Seen in the live description when this replies."""
        self._seen.check("change")
        return self._changes.one("edit", Edits(self, self._seen, self._link).edit(request.edit))

    @handles(messages.Plug)
    def plug(self, request: messages.Plug) -> Work[None]:
        """Seen in the live description when this replies, but for a guest that keeps what it was to give."""
        self._seen.check("change devices of")
        return self._changes.one(f"{request.verb} device", self._plugging.change(request.verb, request.text))

    @handles(messages.Query)
    def query(self, request: messages.Query) -> Work[str]:
        """Whatever the caller asks QEMU."""
        self._seen.check("ask QEMU")
        return monitoring.passthrough(self._link.ask, request.command)

    @handles(messages.MonitorCommand)
    def monitor_command(self, request: messages.MonitorCommand) -> Work[str]:
        """The same, as libvirt answers it."""
        self._seen.check("ask QEMU")
        if request.hmp:
            return monitoring.human(self._link.ask, request.command)
        return monitoring.whole(self._link.ask, request.command)

    @handles(messages.AgentCommand)
    def agent_command(self, request: messages.AgentCommand) -> Work[str]:
        """One after the other."""
        return self._agent.command(request.command, request.timeout)

    @handles(messages.AgentTimeout)
    def agent_timeout(self, request: messages.AgentTimeout) -> None:
        """On record, so it lasts as long as the run."""
        self._seen.check("ask QEMU")
        self._seen.expect_agent(request.timeout)

    @handles(messages.SetPassword)
    def set_password(self, request: messages.SetPassword) -> Work[None]:
        """The guest's agent sets it."""
        password = self.bus.handover.take(request.token).reveal()
        return self._agent.set_password(request.user, password, request.crypted)

    @handles(messages.SendKey)
    def send_key(self, request: messages.SendKey) -> Work[None]:
        """QEMU releases them by itself."""
        self._seen.check("send keys")
        keys = [{"type": "number", "data": key} for key in request.keys]
        hold = {"hold-time": request.hold} if request.hold else {}
        yield from self._link.ask("send-key", {"keys": keys, **hold})

    @handles(messages.InjectNmi)
    def inject_nmi(self, _: messages.InjectNmi) -> Work[None]:
        """To the default CPU."""
        self._seen.check("interrupt")
        yield from self._link.ask("inject-nmi")

    @handles(messages.WakeUp)
    def wake_up(self, _: messages.WakeUp) -> Work[None]:
        """QEMU refuses for a guest that does not sleep."""
        self._seen.check("wake up")
        yield from self._link.ask("system_wakeup")

    @handles(messages.SetThreshold)
    def set_threshold(self, request: messages.SetThreshold) -> Work[None]:
        """QEMU tells once and forgets it."""
        self._seen.check("watch a disk of")
        arguments = {"node-name": request.node, "write-threshold": request.threshold}
        yield from self._link.ask("block-set-write-threshold", arguments)

    @handles(messages.ResizeBlock)
    def resize_block(self, request: messages.ResizeBlock) -> Work[None]:
        """The guest sees it at once."""
        self._seen.check("resize a disk of")
        arguments = {"node-name": request.node, "size": request.size}
        return self._changes.one("resize", self._ask("block_resize", arguments))

    def _ask(self, command: str, arguments: dict[str, object]) -> Work[None]:
        yield from self._link.ask(command, arguments)

    @handles(messages.Screenshot)
    def screenshot(self, request: messages.Screenshot) -> Work[str]:
        """The file is in the directory of the run, which goes with it at the latest."""
        self._seen.check("picture")
        directory = self._seen.plan.directory(self._face.paths)
        return monitoring.screenshot(self._link.ask, directory, request.alias, request.head)
