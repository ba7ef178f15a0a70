"""What can be done with a device of a domain, in words that messages carry."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.plugging.attach import attached
from embervirt.drivers.qemu.plugging.detach import by_alias, detached
from embervirt.drivers.qemu.plugging.kinds import read
from embervirt.drivers.qemu.plugging.update import updated

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


class Verb(StrEnum):
    """The device is named by its XML, but for DETACH_ALIAS."""

    ATTACH = "attach"
    DETACH = "detach"
    DETACH_ALIAS = "detach-alias"
    UPDATE = "update"


def redefined(domain: Domain, verb: str, text: str, caps: Capabilities) -> Domain:
    """The definition after it. Raises XmlError and its leaves, NoDevice, DomainOperationUnsupported..."""
    match Verb(verb):
        case Verb.ATTACH:
            return attached(domain, read(text), caps)
        case Verb.DETACH:
            return detached(domain, read(text))
        case Verb.DETACH_ALIAS:
            return detached(domain, by_alias(domain, text))
        case Verb.UPDATE:
            return updated(domain, read(text), caps, live=False)[0]
