"""What a guest's actor makes of QEMU's events: its state, and what is told of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from embervirt.actors.actor import Actor
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.agent import Agent
from embervirt.drivers.qemu.actor.crash import Crash
from embervirt.drivers.qemu.actor.ladder import Ladder
from embervirt.drivers.qemu.actor.plugging import Plugging
from embervirt.drivers.qemu.actor.power import Power
from embervirt.drivers.qemu.actor.reboots import Reboots
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import ClockChanged, MonitorHeard
from embervirt.drivers.qemu.service import describe, heard

LEAVING = ("DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR")

DUMPS = "dump"
"""A watchdog's action that is not QEMU's: it pauses, and whoever hears that dumps the memory."""


class Hearing:
    """Used on the actor's thread only. ``paused_by``: what a pause that QEMU tells of is for."""

    plugging: Plugging

    def __init__(
        self, actor: Actor, face: Face, seen: Seen, ladder: Ladder, power: Power, agent: Agent, crash: Crash
    ) -> None:
        self._actor, self._face, self._seen, self._ladder = actor, face, seen, ladder
        self._power, self._agent, self._crash = power, agent, crash
        self._reboots = Reboots(actor, seen.plan)
        self.paused_by = states.PAUSED_UNKNOWN

    def qmp_event(self, event: dict[str, Any]) -> None:
        """As QEMU sent it. What it tells is told before what becomes of the guest's state."""
        self._seen.heard += 1
        row = self._seen.row
        if row is not None:
            who = (row.name, row.uuid, row.id)
            self._pass_on(event, who)
            if event["event"] in LEAVING:
                self.plugging.heard(event["event"], event["data"].get("device", ""))
            for each in heard.told(event, who, row.domain):
                self._actor.publish(each)
            self._react(event["event"], event.get("data", {}))

    def _pass_on(self, event: dict[str, Any], who: heard.Who) -> None:
        if self._face.monitor_listeners:
            at, data = event["timestamp"], event.get("data")
            text = json.dumps(data, separators=(",", ":")) if data is not None else ""
            told = MonitorHeard(*who, event["event"], at["seconds"], at["microseconds"], text)
            self._actor.publish(told)

    def _react(self, name: str, data: dict[str, Any]) -> None:
        seen, state = self._seen, self._seen.state.state
        match name:
            case "STOP" if state == states.RUNNING and not self._ladder.restarting:
                seen.become(self.paused_by, states.SUSPENDED_PAUSED)
            case "RESUME" if state in (states.PAUSED, states.CRASHED) and not self._ladder.restarting:
                self.runs()
            case "RESET":
                self._reboots.happened()
                self._power.happened()
            case "SHUTDOWN" if state and not (self._ladder.destroyed or self._ladder.panicked):
                self._guest_shutdown(data)
            case "GUEST_PANICKED":
                self._crash.panicked()
            case "WATCHDOG" if data["action"] == "pause":
                self._watchdog(state)
            case "BLOCK_IO_ERROR" if data["action"] == "stop" and state == states.RUNNING:
                seen.become(states.PAUSED_IO_ERROR, states.SUSPENDED_IO_ERROR)
            case "SUSPEND":
                seen.become(states.GUEST_SUSPENDED, states.PMSUSPENDED_MEMORY)
            case "SUSPEND_DISK":
                seen.become(states.GUEST_SUSPENDED, states.PMSUSPENDED_DISK)
            case "WAKEUP" if state == states.PMSUSPENDED:
                seen.become(states.WOKEN, states.STARTED_WAKEUP)
            case "VSERPORT_CHANGE":
                self._port(data["id"], data["open"])
            case "RTC_CHANGE":
                self._clock(data["offset"])
            case "BALLOON_CHANGE":
                self._balloon(data["actual"])

    def runs(self) -> None:
        """QEMU says, or did, so."""
        self.paused_by = states.PAUSED_UNKNOWN
        self._seen.become(states.UNPAUSED, states.RESUMED_UNPAUSED)

    def _guest_shutdown(self, data: dict[str, Any]) -> None:
        """The power-off that is half of a reboot is no news, and no change of state."""
        self._power.happened()
        by_itself = data.get("guest", False)
        if by_itself and self._ladder.restarts:
            self._ladder.powered_off()
            return
        announced = states.SHUTDOWN_GUEST if by_itself else states.SHUTDOWN_HOST
        self._seen.become(states.GUEST_SHUTDOWN, announced, str(data.get("reason", "")))
        if by_itself:
            self._ladder.powered_off()
        else:
            self._ladder.finish()

    def _watchdog(self, state: int) -> None:
        if state == states.RUNNING:
            self._seen.become(states.PAUSED_WATCHDOG, states.SUSPENDED_WATCHDOG)
        if any(each.action == DUMPS for each in self._seen.live.devices.watchdogs):
            self._actor.work(self._crash.watchdog())

    def _clock(self, offset: int) -> None:
        """QEMU counts from the time of the start; a clock of its own began at its adjustment."""
        seen, clock = self._seen, self._seen.plan.domain.clock
        if clock.offset == "variable":
            offset += int(clock.adjustment or 0)
            seen.describe(replace(seen.live, clock=replace(seen.live.clock, adjustment=str(offset))))
        domain = seen.plan.domain
        self._actor.publish(ClockChanged(domain.name, domain.uuid, seen.plan.id, offset))

    def _balloon(self, actual: int) -> None:
        """What the guest has now is what its live XML says."""
        self._seen.describe(replace(self._seen.live, current_memory=-(-actual // 1024)))

    def _port(self, alias: str, is_open: bool) -> None:
        self._seen.describe(describe.with_channel(self._seen.live, alias, is_open))
        self._agent.opened(alias, is_open)
