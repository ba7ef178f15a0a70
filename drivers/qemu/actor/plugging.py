"""Devices of a running guest that come, go and change: QEMU is told, and the live description follows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu import parts, plugging
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.errors import GuestDegraded, MonitorError
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import DeviceAdded, DeviceRemoved
from embervirt.drivers.qemu.model import Channel, Device, Disk, Domain, Interface
from embervirt.drivers.qemu.owners import NOBODY
from embervirt.drivers.qemu.parts import Pluggable, disk, interface, of_device, throttle
from embervirt.drivers.qemu.plugging import Verb, by_alias
from embervirt.drivers.qemu.ports import channel_dir, with_sockets
from embervirt.drivers.qemu.service import access, chains, describe, running, screens
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.root.files import make_directories
from embervirt.errors import OperationFailed

PATIENCE = 5.0
"""Seconds that a detach waits for the guest, as libvirt does; what comes later is an event."""


class Plugging:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, face: Face, seen: Seen, link: Link, store: Store) -> None:
        self._actor, self._face, self._seen, self._link, self._store = actor, face, seen, link, store
        self._leaving: dict[str, Future[bool]] = {}

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
                yield from self._update(_opened(plugging.read(text)))

    # Attach.

    def _attach(self, device: Device) -> Work[None]:
        live, new = plugging.plugged(self._seen.live, _opened(device), self._capabilities)
        directory = self._seen.plan.directory(self._face.paths)
        if any(isinstance(each, Channel) for each in new):
            self._make_channels(directory)
        live = with_sockets(live, directory)
        build = self._build(live)
        wanted = [part for each in new for part in of_device(by_alias(live, each.id), build)]
        yield from self._lent(new, self._add(wanted))
        for each in new:
            yield from self._settle(each)
        chardevs = yield from self._link.ask("query-chardev")
        self._seen.describe(describe.live(live, live.id or 0, describe.ptys(chardevs)))
        for each in new:
            self._actor.publish(DeviceAdded(*self._who, each.id))

    def _make_channels(self, directory: Path) -> None:
        owner, channels = self._seen.record.account, channel_dir(directory)
        make_directories([channels])
        if owner is not None:
            access.hand_over(channels, owner, self._face)

    def _lent(self, devices: Sequence[Device], work: Work[None]) -> Work[None]:
        """With the files of ``devices`` in the hands of QEMU's user; what QEMU refuses goes back."""
        owner = self._seen.record.account
        if owner is not None:
            files = [file for each in devices for file in access.device_files(each, owner)]
            access.lend(self._seen.plan.id, files, self._face, self._store)
        try:
            yield from work
        except (MonitorError, GuestDegraded):
            self._give_back(devices)
            raise

    def _give_back(self, devices: Sequence[Device]) -> None:
        """Files that only these devices have used: the live description has them no more."""
        live = {file.path for file in access.files_of(self._seen.live, NOBODY)}
        gone = {file.path for each in devices for file in access.device_files(each, NOBODY)} - live
        if gone:
            self._store.take_back(self._seen.plan.id, gone)

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

    def _take_back(self, done: list[Pluggable]) -> Work[None]:
        for part in reversed(done):
            try:
                yield from self._link.ask(*parts.unplug(part))
            except MonitorError as refused:
                self._actor.log.warning("part of a device stays in QEMU", part=repr(part), why=refused.desc)

    # Detach.

    def _detach(self, device: Device) -> Work[None]:
        gone = self._leaving.setdefault(device.id, Future())
        yield from self._link.ask("device_del", {"id": device.id})
        if not (yield self._actor.within(gone, PATIENCE)):
            self._actor.log.info("the guest has not given the device back yet", device=device.id)
            return
        if not gone.result():
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

    def _removed(self, device: Device) -> Work[None]:
        """What stood behind it goes too."""
        behind = [part for part in of_device(device, self._build(self._seen.live)) if not _guest_side(part)]
        self._seen.describe(plugging.without(self._seen.live, device))
        try:
            yield from self._take_back(behind)
            self._give_back([device])
        finally:
            self._actor.publish(DeviceRemoved(*self._who, device.id, False))
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
                yield from self._lent([told.new], self._media(live, told))
            case plugging.LinkState(card, up):
                yield from self._link.ask("set_link", {"name": card.id, "up": up})
            case plugging.Password(screen):
                for command, arguments in screens.password(screen):
                    yield from self._link.ask(command, arguments)
        self._seen.describe(live)
        if isinstance(told, plugging.Media):
            self._give_back([told.old])

    def _media(self, live: Domain, media: plugging.Media) -> Work[None]:
        """The drive is opened, emptied, filled and closed; a lock of the guest's is a refusal."""
        before, after = self._build(self._seen.live), self._build(live)
        yield from self._eject(media.old.id)
        yield from self._take_back(disk.medium(media.old, before))
        yield from self._add(disk.medium(media.new, after))
        node = disk.top(media.new, after)
        if node is not None:
            yield from self._link.ask("blockdev-insert-medium", {"id": media.new.id, "node-name": node})
        yield from self._link.ask("blockdev-close-tray", {"id": media.new.id})

    def _eject(self, alias: str) -> Work[None]:
        yield from self._link.ask("blockdev-open-tray", {"id": alias, "force": False})
        yield from self._link.ask("blockdev-remove-medium", {"id": alias})

    # What it stands on.

    @property
    def _who(self) -> tuple[str, str, int]:
        plan = self._seen.plan
        return (plan.domain.name, plan.domain.uuid, plan.id)

    @property
    def _capabilities(self) -> Any:
        return self._face.capabilities(self._seen.plan.domain.devices.emulator)

    def _build(self, domain: Domain) -> parts.Build:
        context = running.context(self._seen.plan, self._face, self._actor.call)
        return parts.Build(replace(domain, id=None), self._capabilities, context)


def _guest_side(part: Pluggable) -> bool:
    return isinstance(part, parts.Device)


def _opened(device: Device) -> Device:
    """A disk with the images below its own. Raises SystemError_ for one that is not there."""
    return chains.followed(device) if isinstance(device, Disk) else device
