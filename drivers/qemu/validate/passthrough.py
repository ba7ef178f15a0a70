"""libvirt's QEMU namespace: what is handed through has a name, and a value of its type."""

from __future__ import annotations

import re

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.passthrough import CapabilityChanges, CommandLine, Deprecation, Override
from embervirt.errors import InternalError

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def check(domain: Domain) -> None:
    """Raise InternalError and XmlError, with libvirt's codes."""
    _command_line(domain.find(CommandLine) or CommandLine())
    changes = domain.find(CapabilityChanges) or CapabilityChanges()
    if any(each.capability is None for each in (*changes.added, *changes.removed)):
        raise InternalError("missing capability name in 'qemu:capabilities'")
    domain.find(Deprecation)
    for device in (domain.find(Override) or Override()).devices:
        device.changes  # noqa: B018 - raises for a value that is none


def _command_line(line: CommandLine) -> None:
    if any(each.value is None for each in line.arguments):
        raise InternalError("No qemu command-line argument specified: expected <qemu:arg value='...'/>")
    for each in line.variables:
        if not _VARIABLE.fullmatch(each.name or ""):
            what = "expected letters, digits and underscores, a digit not first"
            raise InternalError(f"Invalid environment name '{each.name or ''}' in 'qemu:env': {what}")
