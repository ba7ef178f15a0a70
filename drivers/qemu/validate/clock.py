"""The clock and its timers, as far as QEMU has them."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.clock import Clock, Timer
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

POLICIES = {"rtc": (None, "delay", "catchup"), "pit": (None, "delay", "catchup", "discard")}
"""What QEMU does about lost ticks of a timer; of the others libvirt ignores it."""

SETTINGS = {
    "tickpolicy": ("rtc", "pit", "hpet", "tsc"),
    "track": ("rtc",),
    "frequency": ("tsc",),
    "mode": ("tsc",),
}
"""Which timers have what."""


def check(domain: Domain) -> None:
    """Offset and each timer."""
    _offset(domain.clock)
    for timer in domain.clock.timers:
        _timer(timer, domain)


def _offset(clock: Clock) -> None:
    if clock.offset == "timezone" and not clock.timezone:
        raise InternalError("missing 'timezone' attribute for clock with offset='timezone'")
    if clock.offset == "absolute" and clock.start is None:
        raise InternalError("missing 'start' attribute for clock with offset='absolute'")


def _timer(timer: Timer, domain: Domain) -> None:
    name, policy = timer.name, timer.tickpolicy
    if name == "platform":
        raise ConfigUnsupported("unsupported timer type (name) 'platform'")
    if name == "armvtimer":
        kind = f"virtType={domain.type} arch={domain.os.type.arch} machine={domain.os.type.machine}"
        raise ConfigUnsupported(f"Configuring the 'armvtimer' timer is not supported for {kind} guests")
    if timer.catchup and policy != "catchup":
        raise XmlError("setting of timer catchup policies is only supported with tickpolicy='catchup'")
    for setting, timers in SETTINGS.items():
        if name not in timers and getattr(timer, setting) is not None:
            raise ConfigUnsupported(f"timer {name} doesn't support setting of timer {setting}")
    if name == "rtc" and policy not in POLICIES["rtc"]:
        raise ConfigUnsupported(f"unsupported rtc timer tickpolicy '{policy}'")
    if name == "rtc" and timer.track == "boot":
        raise ConfigUnsupported("unsupported rtc timer track 'boot'")
    if name == "pit" and policy not in POLICIES["pit"]:
        raise ConfigUnsupported(f"unsupported pit tickpolicy '{policy}'")
