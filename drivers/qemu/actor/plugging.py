"""Devices of a running guest that come, go and change: QEMU is told, and the live description follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu import parts, plugging
from embervirt.drivers.qemu.actor.cards import Cards
from embervirt.drivers.qemu.actor.cards import name as cards_name
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.actor.unfinished import ATTACH, DETACH, MEDIA, Unfinished, intent
from embervirt.drivers.qemu.errors import GuestDegraded, MonitorError, MonitorLost
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import DeviceAdded, DeviceRemoved
from embervirt.drivers.qemu.model import Channel, Device, Disk, Domain, Interface
from embervirt.drivers.qemu.owners import NOBODY
from embervirt.drivers.qemu.parts import (
    EncryptedSecret,
    Pluggable,
    disk,
    interface,
    of_device,
    parts_of,
    throttle,
)
from embervirt.drivers.qemu.plugging import Verb, by_alias
from embervirt.drivers.qemu.plugging.kinds import field_of, with_list
from embervirt.drivers.qemu.ports import channel_dir, with_sockets
from embervirt.drivers.qemu.service import access, cards, chains, describe, leases, running, screens, volumes
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.journal import Operation
from embervirt.errors import OperationFailed, OperationTimeout, OutcomeUnknown, libvirtError

PATIENCE = 5.0
"""Seconds that a detach waits for the guest, as libvirt does; what comes later is an event."""


def no_secret(_: object) -> EncryptedSecret:
    """Of parts that are only named."""
    return EncryptedSecret("", "")


class Plugging:
    """Used on the actor's thread only."""

    def __init__(
        self, actor: Actor, face: Face, seen: Seen, link: Link, store: Store, changes: Changes
    ) -> None:
        self._actor, self._face, self._seen, self._link, self._store = actor, face, seen, link, store
        self._changes = changes
        self._cards = Cards(actor, face, seen, link)
        self._unfinished = Unfinished(self, link.ask)
        self._leaving: dict[str, Future[bool]] = {}
        self._going: set[str] = set()

    def change(self, verb: str, text: str) -> Work[None]:
        """Raises what the device's rules raise, MonitorError for what QEMU refuses."""
        match Verb(verb):
            case Verb.ATTACH:
                yield from self._attach(plugging.read(text))
            case Verb.DETACH:
                yield from self._detach(plugging.unplugged(self._seen.live, plugging.read(text)))
            case Verb.DETACH_ALIAS:
                found = by_alias(self._seen.live, text)
                yield from self._detach(plugging.unplugged(self._seen.live, found))
            case Verb.UPDATE:
                yield from self._update(self._opened(plugging.read(text)))

    # Attach.

    def _attach(self, device: Device) -> Work[None]:
        live, new = plugging.plugged(self._seen.live, self._opened(device), self._capabilities)
        directory = self._seen.plan.directory(self._face.paths)
        if any(isinstance(each, Channel) for each in new):
            self._make_channels(directory)
        live = with_sockets(live, directory)
        *controllers, last = new
        if controllers:
            yield from self._attach_controllers(plugging.without(live, by_alias(live, last.id)), controllers)
        with self._cards.made([last]) as made:
            live = cards.live(live, made)
            build = self._build(live, nets={card.live.id: card.net(cards_name) for card in made})
            wanted = list(of_device(by_alias(live, last.id), build))
            self._intend(ATTACH, by_alias(live, last.id), wanted)
            yield from self._lent([last], self._cards.given(made, self._add(wanted)))
        try:
            yield from self._added(live, [last])
        except MonitorError:
            yield from self._detach(by_alias(self._seen.live, last.id), final=False)
            raise

    def _attach_controllers(self, live: Domain, controllers: list[Device]) -> Work[None]:
        """They stay, as in libvirt, whatever becomes of the device that they are for."""
        for each in controllers:
            wanted = list(of_device(by_alias(live, each.id), self._build(live)))
            self._intend(ATTACH, each, wanted, final=False)
            yield from self._add(wanted)
        yield from self._added(live, controllers)

    def _intend(self, verb: str, device: Device, wanted: Sequence[Pluggable], *, final: bool = True) -> None:
        """Before QEMU is told: for who comes after this actor."""
        self._changes.mark(intent(verb, device, wanted, final=final).mark)

    def _added(self, live: Domain, new: Sequence[Device]) -> Work[None]:
        """It is described before it is settled: the guest has it, whatever QEMU says to its limits."""
        chardevs = yield from self._link.ask("query-chardev")
        self._seen.describe(describe.live(live, live.id or 0, describe.ptys(chardevs)))
        for each in new:
            self._actor.publish(DeviceAdded(*self._who, each.id))
        for each in new:
            yield from self._settle(each)

    def _make_channels(self, directory: Path) -> None:
        owner, channels = self._seen.record.account, channel_dir(directory)
        make_directories([channels])
        if owner is not None:
            access.hand_over(channels, owner, self._face)

    def _lent(self, devices: Sequence[Device], work: Work[None]) -> Work[None]:
        """With ``devices``' images leased and files in the hands of QEMU's user; what QEMU refuses goes back.

        Raises ImageInUse naming the guest that has an image.
        """
        plan, owner = self._seen.plan, self._seen.record.account
        leases.take(plan, _disks(devices), self._face, self._store)
        try:
            if owner is not None:
                files = [file for each in devices for file in access.device_files(each, owner)]
                access.lend(plan.id, files, self._face, self._store)
            with leases.explained(_disks(devices)):
                yield from work
        except (OutcomeUnknown, OperationTimeout):
            raise  # who finds the guest again finds out whether it has them
        except libvirtError:
            self.give_back(devices)
            raise

    def give_back(self, devices: Sequence[Device]) -> None:
        """Files that only these devices have used: the live description has them no more."""
        live = self._seen.live
        self._cards.release(devices)
        kept = {file.path for file in access.files_of(live, NOBODY)}
        kept |= {path for each in live.devices.disks for path in leases.paths(each)}
        gone = {file.path for each in devices for file in access.device_files(each, NOBODY)}
        gone |= {path for each in _disks(devices) for path in leases.paths(each)}
        if gone - kept:
            self._store.take_back(self._seen.plan.id, gone - kept)

    def _settle(self, device: Device) -> Work[None]:
        """What QEMU is told of a device once it has it: a disk's limits, a card's pulled cable."""
        commands = throttle.commands(device) if isinstance(device, Disk) else ()
        for name, arguments in interface.cable(device) if isinstance(device, Interface) else commands:
            yield from self._link.ask(name, arguments)

    def _add(self, wanted: list[Pluggable]) -> Work[None]:
        """All or nothing: what QEMU took is taken back when it refuses one."""
        done: list[Pluggable] = []
        try:
            for part in wanted:
                yield from self._link.ask(*parts.plug(part))
                done.append(part)
        except MonitorError:
            yield from self._take_back(done)
            raise
        except GuestDegraded as lost:
            if done:
                raise MonitorLost(f"QEMU has part of the device: {lost.detail}") from lost
            raise

    def _take_back(self, done: list[Pluggable]) -> Work[None]:
        for part in reversed(done):
            try:
                yield from self._link.ask(*parts.unplug(part))
            except MonitorError as refused:
                self._actor.log.warning("part of a device stays in QEMU", part=repr(part), why=refused.desc)

    # Detach.

    def _detach(self, device: Device, *, final: bool = True) -> Work[None]:
        behind = self._behind(device)
        self._intend(DETACH, device, behind, final=final)
        if behind == list(of_device(device, self._build(self._seen.live, no_secret))):
            yield from self._removed(device)  # of a forwarded address the guest knows nothing
            return
        gone = self._leaving.setdefault(device.id, Future())
        yield from self._link.ask("device_del", {"id": device.id})
        if not (yield self._actor.within(gone, PATIENCE)):
            if device.id in (yield from self._unfinished.there()):
                self._actor.log.info("the guest has not given the device back yet", device=device.id)
                return
            if not (gone.done() or device.id in self._going):
                yield from self._removed(device)  # which it told while nobody listened
        if not (yield gone):
            raise OperationFailed(f"unplug of device '{device.id}' was rejected by the guest")

    def heard(self, name: str, alias: str) -> None:
        """The guest has given a device back (DEVICE_DELETED), or will not."""
        failed = name != "DEVICE_DELETED"
        found = next((each for each in self._seen.live.devices.all if alias and each.id == alias), None)
        if failed:
            self._actor.publish(DeviceRemoved(*self._who, alias, True))
            self._over(alias, removed=False)
        elif found is not None:
            self._actor.work(self._removed(found))

    def _removed(self, device: Device, why: str = "") -> Work[None]:
        """What stood behind it goes too."""
        self._going.add(device.id)
        try:
            yield from self._take_back(self._behind(device))
        finally:
            self._going.discard(device.id)
            self.forget(device, why)

    def _behind(self, device: Device) -> list[Pluggable]:
        """What a device stands on. To take it away nobody needs to know its secrets."""
        build = self._build(self._seen.live, no_secret)
        made = (part for part in parts_of(device, build) if isinstance(part, Pluggable))
        return [part for part in made if not _guest_side(part)]

    def forget(self, device: Device, why: str = "") -> None:
        """The guest has it no more: what it used goes back, and everybody is told."""
        known = next((each for each in self._seen.live.devices.all if each.id == device.id), None)
        if known is not None:
            self._seen.describe(plugging.without(self._seen.live, known))
        self.give_back([device])
        if known is not None:
            self._actor.publish(DeviceRemoved(*self._who, device.id, why=why))
        self._over(device.id, removed=True)

    def _over(self, alias: str, *, removed: bool) -> None:
        waiting = self._leaving.pop(alias, None)
        if waiting is not None:
            waiting.set_result(removed)

    # Update.

    def _update(self, device: Device) -> Work[None]:
        live, told = plugging.updated(self._seen.live, device, self._capabilities, live=True)
        match told:
            case plugging.Media():
                bare = self._build(live, no_secret)
                self._intend(MEDIA, told.new, disk.medium(told.new, bare))
                yield from self._lent([told.new], self._media(live, told))
            case plugging.Recabled(old, new):
                yield from self._cards.change(old, new)
            case plugging.Password(screen):
                for command, arguments in screens.password(screen):
                    yield from self._link.ask(command, arguments)
            case plugging.Nothing():
                return  # the numbers of its nodes, too, stay what they are
        self._seen.describe(live)
        if isinstance(told, plugging.Media):
            self.give_back([told.old])

    def _media(self, live: Domain, media: plugging.Media) -> Work[None]:
        """The drive is opened, emptied, filled and closed; a lock of the guest's is a refusal.

        Before it is touched QEMU has opened the new medium, so what cannot be had changes nothing.
        """
        before, after = self._build(self._seen.live), self._build(live)
        new = disk.medium(media.new, after)
        yield from self._add(new)
        try:
            yield from self._eject(media.old.id)
        except MonitorError as refused:
            yield from self._take_back(new)
            if refused.command != "blockdev-remove-medium":
                raise
            text = f"the guest has locked the tray of disk '{media.old.dev}'; it was asked to open it"
            raise OperationFailed(f"{text}: {refused.desc}") from refused
        yield from self._take_back(disk.medium(media.old, before))
        yield from self._insert(media.new.id, disk.top(media.new, after))

    def _insert(self, alias: str, node: str | None) -> Work[None]:
        if node is not None:
            yield from self._link.ask("blockdev-insert-medium", {"id": alias, "node-name": node})
        yield from self._link.ask("blockdev-close-tray", {"id": alias})

    def _eject(self, alias: str) -> Work[None]:
        yield from self._link.ask("blockdev-open-tray", {"id": alias, "force": False})
        yield from self._link.ask("blockdev-remove-medium", {"id": alias})

    # What an earlier generation began.

    def settle(self, unresolved: list[Operation], why: str) -> Work[None]:
        """What is known of it then is its result; what left unseen is told with ``why``.

        Raises as ``Link.ask``.
        """
        turn = yield from self._changes.turn("the end of a change of devices")
        try:
            for operation in unresolved:
                happened = yield from self._unfinished.settle(operation)
                if happened is not None:
                    self._changes.resolve(operation, happened)
            there = yield from self._unfinished.there()
            while gone := self.missing(there):
                yield from self._removed(gone[0], why)
        finally:
            turn.set_result(None)

    def missing(self, there: set[str]) -> list[Device]:
        """What the guest has by its description, and QEMU has not, nor is it being removed just now."""
        found = parts.missing(self._build(self._seen.live, no_secret), there)
        return [each for each in found if each.id not in self._going]

    def adopt(self, device: Device) -> Work[None]:
        """QEMU has it, and nobody knew."""
        live, field = self._seen.live, field_of(device)
        if all(each.id != device.id for each in live.devices.all):
            yield from self._added(with_list(live, field, (*live.devices.lists[field], device)), [device])

    def withdraw(self, undo: Sequence[tuple[str, dict[str, Any]]]) -> Work[None]:
        """What of it is there; the rest QEMU does not know."""
        for command, arguments in reversed(undo):
            try:
                yield from self._link.ask(command, arguments)
            except MonitorError as refused:
                self._actor.log.info("not taken back", command=command, why=refused.desc, **arguments)

    def finish_media(
        self, new: Disk, inserted: str | None, undo: Sequence[tuple[str, dict[str, Any]]]
    ) -> Work[bool]:
        """Whether the drive has the new medium; if not, it gets the old one again."""
        live = self._seen.live
        old = next(each for each in live.devices.disks if each.id == new.id)
        build = self._build(live)
        if inserted == disk.top(new, build):
            yield from self._insert(new.id, None)
            if old != new:
                yield from self._take_back(disk.medium(old, build))
                disks = tuple(new if each is old else each for each in live.devices.disks)
                self._seen.describe(with_list(live, "disks", disks))
                self.give_back([old])
            return True
        yield from self.withdraw(undo)
        if inserted != disk.top(old, build):
            yield from self._put_back(old, disk.medium(old, build))
        yield from self._insert(old.id, None)
        self.give_back([new])
        return False

    def _put_back(self, old: Disk, medium: list[Pluggable]) -> Work[None]:
        """Its nodes may be there still."""
        for part in medium:
            try:
                yield from self._link.ask(*parts.plug(part))
            except MonitorError as refused:
                self._actor.log.info("is there", part=repr(part), why=refused.desc)
        yield from self._insert(old.id, disk.top(old, self._build(self._seen.live)))

    # What it stands on.

    @property
    def _who(self) -> tuple[str, str, int]:
        plan = self._seen.plan
        return (plan.domain.name, plan.domain.uuid, plan.id)

    @property
    def _capabilities(self) -> Any:
        return self._face.capabilities(self._seen.plan.domain.devices.emulator)

    def _opened(self, device: Device) -> Device:
        """A disk with its volume and the images below its own. Raises what those who look do."""
        if not isinstance(device, Disk):
            return device
        return chains.followed(volumes.found(device, self._actor.call))

    def _build(
        self,
        domain: Domain,
        secret: Callable[[Any], EncryptedSecret] | None = None,
        nets: Mapping[str, parts.Net] | None = None,
    ) -> parts.Build:
        context = running.context(self._seen.plan, self._face, self._actor.call, nets=nets)
        if secret is not None:
            context = replace(context, secret=secret)
        return parts.Build(replace(domain, id=None), self._capabilities, context)


def _guest_side(part: Pluggable) -> bool:
    return isinstance(part, parts.Device)


def _disks(devices: Sequence[Device]) -> list[Disk]:
    return [each for each in devices if isinstance(each, Disk)]
