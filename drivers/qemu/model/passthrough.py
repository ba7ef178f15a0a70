"""libvirt's QEMU namespace: arguments, environment and properties that go to QEMU as they are.

The elements stay in the XML as the text they were; this reads them. Source: libvirt's "QEMU driver"
documentation, "Pass-through of arbitrary qemu commands" and the sections after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from embervirt.drivers.xml import Element, attr, children, choice, integer, parse
from embervirt.errors import XmlError

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
E = TypeVar("E", bound=Element)


class Argument(Element, tag=f"{QEMU}arg"):
    """``value`` is None only before ``validate``, as are the names below."""

    value: str | None = attr("value", default=None)


class Variable(Element, tag=f"{QEMU}env"):
    name: str | None = attr("name", default=None)
    value: str = attr("value", default="")


class CommandLine(Element, tag=f"{QEMU}commandline"):
    """What is added to QEMU's arguments and its environment."""

    arguments: tuple[Argument, ...] = children(Argument, default=())
    variables: tuple[Variable, ...] = children(Variable, default=())


class Capability(Element, tag=f"{QEMU}capability"):
    capability: str | None = attr("capability", default=None)


class CapabilityChanges(Element, tag=f"{QEMU}capabilities"):
    """libvirt's own names of what a QEMU can do, added and taken away; they have no meaning here."""

    added: tuple[Capability, ...] = children(Capability, f"{QEMU}add", default=())
    removed: tuple[Capability, ...] = children(Capability, f"{QEMU}del", default=())


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "signed": integer(-(2**63), 2**63 - 1).decode,
    "unsigned": integer().decode,
    "bool": {"true": True, "false": False}.__getitem__,
    "remove": lambda text: None,
}


class Property(Element, tag=f"{QEMU}property"):
    name: str = attr("name")
    type: str = attr("type", choice(*TYPES))
    text: str | None = attr("value", default=None)

    @property
    def value(self) -> Any:
        """As JSON; None for one that is to be left out. Raises XmlError."""
        if (self.text is None) != (self.type == "remove"):
            what = "no value with type 'remove', one with any other"
            raise XmlError(f"invalid value of 'qemu:property': property '{self.name}': expected {what}")
        try:
            return TYPES[self.type](self.text or "")
        except (ValueError, KeyError):
            what = f"property '{self.name}': '{self.text}' is not a value of type '{self.type}'"
            raise XmlError(f"invalid value of 'qemu:property': {what}") from None


class FrontEnd(Element, tag=f"{QEMU}frontend"):
    properties: tuple[Property, ...] = children(Property, default=())


class DeviceOverride(Element, tag=f"{QEMU}device"):
    alias: str = attr("alias")
    frontends: tuple[FrontEnd, ...] = children(FrontEnd, default=())

    @property
    def changes(self) -> dict[str, Any]:
        """Properties by name; None takes one away."""
        return {each.name: each.value for front in self.frontends for each in front.properties}


class Override(Element, tag=f"{QEMU}override"):
    devices: tuple[DeviceOverride, ...] = children(DeviceOverride, default=())


class Deprecation(Element, tag=f"{QEMU}deprecation"):
    """What QEMU does when it meets something deprecated."""

    behavior: str | None = attr("behavior", choice("none", "omit", "reject", "crash"), default=None)


KINDS: tuple[type[Element], ...] = (CommandLine, CapabilityChanges, Override, Deprecation)


def find(cls: type[E], foreign: tuple[str, ...]) -> E | None:
    """The first element of the class among the foreign children of a domain. Raises XmlError."""
    return next((parse(cls, xml) for xml in foreign if _is(cls, xml)), None)


def lasting(foreign: tuple[str, ...]) -> tuple[str, ...]:
    """Without those of QEMU's namespace that say nothing. Raises XmlError."""
    return tuple(xml for xml in foreign if all(parse(cls, xml) != cls() for cls in KINDS if _is(cls, xml)))


def _is(cls: type[Element], xml: str) -> bool:
    """By the name and its prefix, which the element itself declares: it is written on its own."""
    start = re.match(rf"<(?:([^\s:<>]+):)?{cls.__schema__.tag.removeprefix(QEMU)}[\s/>]", xml)
    declared = f'xmlns:{start[1]}="' if start and start[1] else 'xmlns="'
    return start is not None and declared + QEMU.strip("{}") in xml.partition(">")[0]
