"""The clock, its timers, and sleep states."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.clock import Clock
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Option, Part
from embervirt.drivers.qemu.parts.render import options

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

TRACK = {"guest": "vm", "wall": "host", "realtime": "rt"}
"""QEMU's ``clock=`` by what the RTC follows."""

PIT = {None: "delay", "delay": "delay", "discard": "discard"}
"""``lost_tick_policy`` of KVM's PIT; catching up is what it does anyway."""


def hpet_is_a_property(caps: Capabilities) -> bool:
    """``-no-hpet`` was deprecated in QEMU 8.0: ``-machine hpet=off``."""
    return caps.version >= (8, 0, 0)


def parts(build: Build) -> Iterator[Part]:
    """``-rtc``, the PIT's policy, the HPET's absence."""
    clock = build.domain.clock
    yield Option("rtc", options(f"base={_base(clock, build.run.now)}", _rtc(clock)))
    pit = clock.timer("pit")
    if pit and pit.tickpolicy in PIT:
        yield Option("global", f"kvm-pit.lost_tick_policy={PIT[pit.tickpolicy]}")
    if clock.without_hpet and not hpet_is_a_property(build.caps):
        yield Option("no-hpet")


def _base(clock: Clock, now: float) -> str:
    """A word, or the time the guest's clock starts with."""
    if clock.offset == "absolute":
        return _time(clock.start or 0)
    if clock.offset == "variable":
        local = datetime.fromtimestamp(now).astimezone().utcoffset() if clock.basis == "localtime" else None
        zone = int(local.total_seconds()) if local else 0
        return _time(int(now) + zone + int(clock.adjustment or 0))
    return "utc" if clock.offset == "utc" else "localtime"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _rtc(clock: Clock) -> dict[str, Any]:
    timer = clock.timer("rtc")
    given: dict[str, Any] = {}
    if timer and timer.track:
        given["clock"] = TRACK[timer.track]
    if timer and timer.tickpolicy == "catchup":
        given["driftfix"] = "slew"
    return given


def power(domain: Domain) -> Iterator[Part]:
    """Properties of the chip that does power management."""
    chip = "ICH9-LPC" if domain.q35 else "PIIX4_PM"
    given = {"s3": domain.pm.to_mem, "s4": domain.pm.to_disk} if domain.pm else {}
    for state, suspend in given.items():
        if suspend is not None:
            yield Option("global", f"{chip}.disable_{state}={int(not suspend.enabled)}")
