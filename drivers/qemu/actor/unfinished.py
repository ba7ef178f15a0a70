"""Devices that were coming or going when their actor died: what it had begun is completed, or taken back.

Before QEMU is told anything the operation's mark says what that will be: the device as it will run, and how
each part is taken back. Who finds the guest asks QEMU what it has. A device that is whole is the guest's; of
any other, what is there goes, and with it what the run was lent for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from embervirt.actors.work import Work
from embervirt.drivers.qemu import parts
from embervirt.drivers.qemu.model import Device, Disk
from embervirt.drivers.qemu.parts import Pluggable
from embervirt.drivers.qemu.plugging.kinds import CLASSES
from embervirt.drivers.root.journal import Operation
from embervirt.drivers.xml import parse_one_of, render

PREFIX = "parts "
ATTACH, DETACH, MEDIA = "attach", "detach", "media"
DEVICES = "/machine/peripheral"
"""Where QEMU has those with an id."""

Command = tuple[str, dict[str, Any]]


class Intent(msgspec.Struct, frozen=True):
    """``verb`` is ATTACH, DETACH or MEDIA; ``device``: its XML, with its alias, as it will run or does.

    ``undo``: what takes away each part, in the order in which they come. ``final``: the operation is about
    this device, and not about a controller that it needs.
    """

    verb: str
    device: str
    undo: tuple[Command, ...]
    final: bool = True

    @property
    def mark(self) -> str:
        """As it stands in the operation."""
        return PREFIX + msgspec.json.encode(self).decode()

    def read(self) -> Device:
        """Its device."""
        return parse_one_of(CLASSES, self.device, "device")


def intent(verb: str, device: Device, behind: Iterable[Pluggable], *, final: bool = True) -> Intent:
    """To be marked before QEMU is told."""
    return Intent(verb, render(device), tuple(parts.unplug(part) for part in behind), final)


def intents(operation: Operation) -> Iterator[Intent]:
    """Those of an operation, the first one first."""
    for step in operation.steps:
        if step.startswith(PREFIX):
            yield msgspec.json.decode(step.removeprefix(PREFIX), type=Intent)


class Hands(Protocol):
    """What is done about it: ``Plugging``."""

    def adopt(self, device: Device) -> Work[None]:
        """QEMU has it, and nobody knew."""

    def withdraw(self, undo: Sequence[Command]) -> Work[None]:
        """What of it is there."""

    def give_back(self, devices: Sequence[Device]) -> None:
        """The files that only they have used."""

    def forget(self, device: Device) -> None:
        """The guest has it no more."""

    def finish_media(self, new: Disk, inserted: str | None, undo: Sequence[Command]) -> Work[bool]:
        """Whether the drive has the new medium."""


class Unfinished:
    """Used on the actor's thread only, in turn with other changes."""

    def __init__(self, plugging: Hands, ask: Callable[..., Work[Any]]) -> None:
        self._plugging, self._ask = plugging, ask

    def settle(self, operation: Operation) -> Work[bool | None]:
        """Whether it has happened, now at the latest; None for what leaves no parts, a link's state say.

        Raises what ``Link.ask`` raises.
        """
        happened = None if operation.what.startswith("update") else False
        for each in intents(operation):
            done = yield from self._each(each)
            happened = done if each.final else happened
        return happened

    def _each(self, intent: Intent) -> Work[bool]:
        match intent.verb:
            case "attach":
                return (yield from self._attached(intent))
            case "detach":
                return (yield from self._detached(intent))
        return (yield from self._media(intent))

    def there(self) -> Work[set[str]]:
        """Ids of the devices that QEMU has."""
        return names((yield from self._ask("qom-list", {"path": DEVICES})))

    def _attached(self, intent: Intent) -> Work[bool]:
        device, there = intent.read(), (yield from self.there())
        if device.id in there:
            yield from self._plugging.adopt(device)
            return True
        yield from self._plugging.withdraw(intent.undo)
        self._plugging.give_back([device])
        return False

    def _detached(self, intent: Intent) -> Work[bool]:
        device, there = intent.read(), (yield from self.there())
        if device.id in there:
            return False
        yield from self._plugging.withdraw(intent.undo)
        self._plugging.forget(device)
        return True

    def _media(self, intent: Intent) -> Work[bool]:
        new = intent.read()
        assert isinstance(new, Disk)
        inserted = medium_in((yield from self._ask("query-block")), new.id)
        return (yield from self._plugging.finish_media(new, inserted, intent.undo))


def names(listed: Sequence[dict[str, Any]]) -> set[str]:
    """Of what QEMU's ``qom-list`` tells."""
    return {each["name"] for each in listed}


def medium_in(blocks: Sequence[dict[str, Any]], alias: str) -> str | None:
    """The node in a drive, by QEMU's ``query-block``; None when it is empty."""
    for each in blocks:
        if alias in str(each.get("qdev", "")).split("/"):
            inserted = each.get("inserted")
            return None if inserted is None else str(inserted["node-name"])
    return None
