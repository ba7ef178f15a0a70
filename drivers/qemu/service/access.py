"""What QEMU must be able to reach, read and write where it runs as a user of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from embervirt import disk
from embervirt.config import accounts
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Device, Disk, Domain
from embervirt.drivers.qemu.model.chardev_source import Chardev
from embervirt.drivers.qemu.model.disk_source import DiskSource
from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.model.rng import Rng
from embervirt.drivers.qemu.model.tpm import Tpm
from embervirt.drivers.qemu.owners import Owner, Wanted, touch
from embervirt.drivers.qemu.parts import MASTER_KEY_FILE
from embervirt.drivers.qemu.parts.tpm import cancel_path
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.ports import channel_dir
from embervirt.drivers.qemu.service import nvram, prepare
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.root import reach
from embervirt.drivers.root.files import explained


def check(face: Face) -> None:
    """Before anything of a start: that QEMU's user can come to this root, and to where its memory goes.

    Raises SystemError_ naming the directory that it cannot pass.
    """
    if face.account is not None:
        reach.check(face.paths.path.parent, face.account)
        backing = face.settings.qemu.memory_backing_dir
        if backing is not None and Path(backing).is_dir():
            reach.check(Path(backing), face.account)


def arrange(plan: Plan, face: Face, store: Store, ram_dir: Path, new_nvram: bool) -> None:
    """The run's own becomes its user's, the way to it open, and what the guest needs changes hands.

    The directories of the run and its key are there. Raises SystemError_, FileRefused, ConfigUnsupported.
    """
    account = face.account
    if account is None:
        return
    directory = plan.directory(face.paths)
    variables = nvram.file_of(plan.domain) if new_nvram else None
    own = [directory, channel_dir(directory), variables, _console(plan, face)]
    memories = [ram_dir] if ram_dir.is_dir() else []
    if plan.domain.memory_backing is not None and plan.domain.memory_backing.hugepages is not None:
        memories += map(Path, set(prepare.huge_page_dirs(face.paths).values()))
    _give(directory / MASTER_KEY_FILE, account.owner)
    for path in (*own, *memories):
        if path is not None and path.exists():
            hand_over(path, account.owner, face)
    lend(plan.id, files_of(plan.domain, account.owner), face, store)


def hand_over(path: Path, owner: Owner, face: Face) -> None:
    """For good, with the way to it: it was made for that user. Raises SystemError_.

    The way is in the root, or what we made in a directory that roots share.
    """
    top = face.paths.path
    reach.open_way(top if path.is_relative_to(top) else path.parents[1], path, owner[0])
    _give(path, owner)


def _give(path: Path, owner: Owner) -> None:
    with explained("give to QEMU's user", path):
        disk.give(path, *owner)


def _console(plan: Plan, face: Face) -> Path | None:
    """The log of the guest's console, which QEMU opens, in a directory where it can make nothing."""
    if not face.settings.qemu.console_log or not plan.domain.devices.serials:
        return None
    path = face.paths.console_log(plan.domain.name)
    with explained("create", path):
        touch(path)
    return path


# Files that are somebody's, and lent.


def lend(run: int, files: Iterable[Wanted], face: Face, store: Store) -> None:
    """Without ``qemu.dynamic_ownership`` only what was made for the run. Raises as ``Owners.give``."""
    chosen = face.settings.qemu
    lent = [file for file in files if file.ours or chosen.dynamic_ownership]
    store.lend(run, lent, remember=chosen.remember_owner)


def files_of(domain: Domain, owner: Owner) -> Iterator[Wanted]:
    """Of all devices, and what the guest boots from, as libvirt's DAC driver has it."""
    os_, variables = domain.os, domain.os.nvram
    table = os_.acpi.table if os_.acpi else None
    blobs = [blob.file for info in domain.sysinfos for blob in info.blobs]
    paths = [os_.kernel, os_.initrd, os_.dtb, table.path if table else None, *blobs]
    for path in (*paths, variables.path if variables else None):
        if path:
            yield Wanted(path, owner)
    for device in domain.devices.all:
        yield from device_files(device, owner)


def device_files(device: Device, owner: Owner) -> Iterator[Wanted]:
    """What a device has of the host; an image with all those below it."""
    for kind, files in FILES.items():
        if isinstance(device, kind):
            yield from files(device, owner)


def _disk(device: Disk, owner: Owner) -> Iterator[Wanted]:
    yield from _image(device.source, device.type, owner)
    for layer in device.backing:
        yield from _image(layer.source, layer.type or "", owner)


def _image(source: DiskSource | None, type_: str, owner: Owner) -> Iterator[Wanted]:
    """Its XML can name another owner, or none."""
    path = source.path(type_) if source else None
    labels = [each for each in source.seclabels if each.model in (None, "dac")] if source else []
    if path is None or any(each.relabel is False for each in labels):
        return
    named = [accounts.owner(each.label) for each in labels if each.label]
    yield Wanted(path, named[0] if named else owner)


def _chardev(device: Chardev, owner: Owner) -> Iterator[Wanted]:
    """Files that are written are made by us, for QEMU's user may make none where they are to be."""
    yield from (Wanted(path, owner, made=True) for path in _written(device))
    path = device.source.path if device.source else None
    if path and device.type in ("dev", "unix"):
        yield Wanted(path, owner, ours=device.listens)
    if path and device.type == "pipe":
        yield from (Wanted(each, owner) for each in (f"{path}.in", f"{path}.out", path))


def _written(device: Chardev) -> Iterator[str]:
    if device.type == "file" and device.source is not None and device.source.path:
        yield device.source.path
    if device.log is not None and device.log.file:
        yield device.log.file


def _rng(device: Rng, owner: Owner) -> Iterator[Wanted]:
    """The host's own source is everybody's."""
    if device.backend.model == "egd":
        yield from _chardev(device.backend.chardev, owner)


def _input(device: Input, owner: Owner) -> Iterator[Wanted]:
    path = (device.source.evdev or device.source.dev) if device.source else None
    if path:
        yield Wanted(path, owner)


def _tpm(device: Tpm, owner: Owner) -> Iterator[Wanted]:
    path = device.backend.device.path if device.backend.device else None
    if path:
        yield from (Wanted(each, owner) for each in (path, cancel_path(path)))


FILES: dict[type[Any], Callable[[Any, Owner], Iterator[Wanted]]] = {
    Chardev: _chardev,
    Disk: _disk,
    Input: _input,
    Rng: _rng,
    Tpm: _tpm,
}
"""By class of a device."""
