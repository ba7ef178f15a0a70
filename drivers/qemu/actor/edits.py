"""Changes of a running guest by a call instead of XML: QEMU is told, and the live description follows."""

from __future__ import annotations

from typing import Any

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.messages import MetadataChanged
from embervirt.drivers.qemu.model import edits
from embervirt.drivers.qemu.model.edits import Edit, SetMemory, SetMetadata, SetStatsPeriod, SetVcpus
from embervirt.errors import ConfigUnsupported, OperationInvalid

BALLOON = "/machine/peripheral/{}"
"""Path of a balloon in QEMU's object model, by its alias."""


class Edits:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, seen: Seen, link: Link) -> None:
        self._actor, self._seen, self._link = actor, seen, link

    def edit(self, edit: Edit) -> Work[None]:
        """Raises what the edit raises, ConfigUnsupported for what a running guest cannot change."""
        match edit:
            case SetMemory():
                yield from self._memory(edit)
            case SetVcpus():
                text = "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count"
                raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
            case SetStatsPeriod():
                yield from self._period(edit)
            case SetMetadata():
                self._metadata(edit)

    def _memory(self, edit: SetMemory) -> Work[None]:
        """The guest is asked to give back or take; how far it gets is an event."""
        if edit.maximum:
            text = "cannot resize the maximum memory on an active domain"
            raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
        edits.check_memory(self._seen.live, edit.kib)
        if all(balloon.model == "none" for balloon in self._seen.live.devices.memballoons):
            without = "without the balloon device and guest OS balloon driver"
            text = f"Unable to change memory of active domain {without}"
            raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
        yield from self._link.ask("balloon", {"value": edit.kib * 1024})

    def _period(self, edit: SetStatsPeriod) -> Work[None]:
        edits.check_balloon(self._seen.live)
        balloon = next(iter(self._seen.live.devices.memballoons))
        interval: dict[str, Any] = {"property": "guest-stats-polling-interval", "value": edit.seconds}
        yield from self._link.ask("qom-set", {"path": BALLOON.format(balloon.id), **interval})
        self._describe(edit)

    def _metadata(self, edit: SetMetadata) -> None:
        self._describe(edit)
        domain, id_ = self._seen.live, self._seen.plan.id
        self._actor.publish(MetadataChanged(domain.name, domain.uuid, id_, edit.type, edit.uri))

    def _describe(self, edit: Edit) -> None:
        self._seen.rewrite(edits.edited(self._seen.plan.domain, edit))
        self._seen.describe(edits.edited(self._seen.live, edit))
