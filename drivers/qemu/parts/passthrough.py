"""What libvirt's QEMU namespace hands through: words of the command line, and properties of devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.passthrough import CommandLine, Deprecation, Override
from embervirt.drivers.qemu.parts.part import Device, Option, Part, Word

COMPAT = {
    "omit": '{"deprecated-output":"hide"}',
    "reject": '{"deprecated-output":"hide","deprecated-input":"reject"}',
    "crash": '{"deprecated-output":"hide","deprecated-input":"crash"}',
}
"""``-compat`` by what is to happen to what is deprecated."""


def arguments(domain: Domain) -> Iterator[Part]:
    """The user's own words, as they are, and what is to become of deprecated things."""
    deprecation = domain.find(Deprecation)
    if deprecation and deprecation.behavior in COMPAT:
        yield Option("compat", COMPAT[deprecation.behavior])
    line = domain.find(CommandLine)
    yield from (Word(each.value or "") for each in line.arguments) if line else ()


def environment(domain: Domain) -> dict[str, str]:
    """Variables for QEMU: the user's own, and the time zone of its clock."""
    line = domain.find(CommandLine)
    zone = {"TZ": domain.clock.timezone or ""} if domain.clock.offset == "timezone" else {}
    return zone | ({each.name or "": each.value for each in line.variables} if line else {})


def overridden(domain: Domain, parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, with the properties of devices that the user sets or takes away."""
    override = domain.find(Override)
    changes = {device.alias: device.changes for device in override.devices} if override else {}
    for part in parts:
        if isinstance(part, Device) and part.id in changes:
            props = {**part.props, **changes[part.id]}
            yield replace(part, props={name: value for name, value in props.items() if value is not None})
        else:
            yield part
