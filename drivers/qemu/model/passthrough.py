"""libvirt's QEMU namespace: arguments, environment and properties that go to QEMU as they are.

The elements stay in the XML as the text they were; this reads them. Source: libvirt's "QEMU driver"
documentation, "Pass-through of arbitrary qemu commands" and the sections after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from embervirt.drivers.xml import Element, attr, children, choice, parse
from embervirt.errors import XmlError

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
E = TypeVar("E", bound=Element)


class Argument(Element, tag=f"{QEMU}arg"):
    value: str = attr("value")


class Variable(Element, tag=f"{QEMU}env"):
    name: str = attr("name")
    value: str = attr("value", default="")


class CommandLine(Element, tag=f"{QEMU}commandline"):
    """What is added to QEMU's arguments and its environment."""

    arguments: tuple[Argument, ...] = children(Argument, default=())
    variables: tuple[Variable, ...] = children(Variable, default=())


class Capability(Element, tag=f"{QEMU}capability"):
    capability: str = attr("capability")


class CapabilityChanges(Element, tag=f"{QEMU}capabilities"):
    """libvirt's own names of what a QEMU can do, added and taken away; they have no meaning here."""

    added: tuple[Capability, ...] = children(Capability, f"{QEMU}add", default=())
    removed: tuple[Capability, ...] = children(Capability, f"{QEMU}del", default=())


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "signed": int,
    "unsigned": int,
    "bool": {"true": True, "false": False}.__getitem__,
    "remove": lambda text: None,
}


class Property(Element, tag=f"{QEMU}property"):
    name: str = attr("name")
    type: str = attr("type", choice(*TYPES))
    text: str = attr("value", default="")

    @property
    def value(self) -> Any:
        """As JSON; None for one that is to be left out. Raises XmlError."""
        try:
            return TYPES[self.type](self.text)
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

    behavior: str = attr("behavior", choice("none", "omit", "reject", "crash"))


def find(cls: type[E], foreign: tuple[str, ...]) -> E | None:
    """The first element of the class among the foreign children of a domain. Raises XmlError."""
    start = re.compile(rf"<(?:[^\s:<>]+:)?{cls.__schema__.tag.removeprefix(QEMU)}[\s/>]")
    found = (xml for xml in foreign if start.match(xml) and QEMU.strip("{}") in xml)
    return next((parse(cls, xml) for xml in found), None)
