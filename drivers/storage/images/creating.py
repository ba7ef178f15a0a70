"""How a volume is made, and qemu-img's part of it: pure functions from what is wanted to commands.

Facts: the commands that libvirt 9 runs, and qemu-img's manual.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from embervirt.drivers.storage.errors import (
    StorageArgument,
    StorageInternal,
    StorageNotSupported,
    StorageUnsupported,
)
from embervirt.drivers.storage.images import encrypting
from embervirt.drivers.storage.images.encrypting import escaped
from embervirt.drivers.storage.model import BackingStore, Volume

MADE = ("raw", "iso", "vpc", "vdi", "qcow", "qcow2", "qed", "vmdk")
"""Formats that are written; bochs, cloop and dmg are only read, the others nobody reads any more."""

LAYERED = ("qcow2", "qcow", "qed", "vmdk")
"""Formats that can lie upon another image."""


class How(Enum):
    """Who makes a volume."""

    FILE = "a raw file: its length by ftruncate, its allocation by fallocate; no program is needed"
    COPY = "a raw file or device from a raw one: its bytes are copied"
    DIRECTORY = "a directory"
    DEVICE = "a raw device: its pool makes it"
    QEMU_IMG = "the commands of create"


@dataclass(frozen=True)
class Keys:
    """Files with the passphrases of the volume and of its source; "" for one that has none."""

    volume: str = ""
    source: str = ""


def how(volume: Volume, source: Volume | None = None) -> How:
    """For a volume that is complete, new or (``source``) a clone."""
    if volume.format == "dir":
        return How.DIRECTORY
    if not _plain(volume):
        return How.QEMU_IMG
    if source is None and volume.type == "block":
        return How.DEVICE
    if source is None:
        return How.QEMU_IMG if volume.format == "iso" else How.FILE
    return How.COPY if _plain(source) else How.QEMU_IMG


def _plain(volume: Volume) -> bool:
    return image_format(volume) == "raw"


def image_format(volume: Volume) -> str:
    """In qemu-img's words: a device or an iso is raw, an encrypted raw image is luks."""
    raw = volume.type == "block" or volume.format in ("raw", "iso")
    if volume.target.encryption is not None and raw:
        return "luks"
    return "raw" if raw else volume.format


def create(
    volume: Volume, *, source: Volume | None = None, metadata: bool = False, keys: Keys = Keys()
) -> list[list[str]]:
    """The commands that make ``volume`` at its path, with what ``source`` holds.

    ``metadata``: tables are allocated beforehand, of qcow2. A clone lies upon nothing.
    Raises StorageUnsupported, StorageInternal, StorageArgument: it cannot be made.
    """
    check(volume, source=source, metadata=metadata)
    if source is None:
        return [_create(volume, metadata, keys, volume.backing)]
    if volume.target.encryption is None and source.target.encryption is None:
        return [_convert(volume, source, metadata)]
    return [_create(volume, metadata, keys, None), _convert_encrypted(volume, source, keys)]


def check_without_program(volume: Volume, *, metadata: bool = False) -> None:
    """What a file or directory that no program makes may not ask for.

    Raises StorageNotSupported, StorageUnsupported, StorageArgument.
    """
    directory, what = volume.format == "dir", f"volume '{volume.name}'"
    if metadata and directory:
        raise StorageArgument(f"metadata preallocation is not supported for directories: {what}")
    if metadata:
        raise StorageUnsupported(f"metadata preallocation is not supported for raw volumes: {what}")
    if volume.backing is not None:
        kind = "directories" if directory else "raw"
        raise StorageNotSupported(f"backing storage not supported for {kind} volumes: {what}")


def check(volume: Volume, *, source: Volume | None = None, metadata: bool = False) -> None:
    """What an image may not ask for; raises as ``create``."""
    what = f"volume '{volume.name}'"
    if volume.target.encryption is not None:
        encrypting.check_secrets(volume, volume.target.encryption)
    if metadata and volume.type == "block":
        raise StorageUnsupported(f"metadata preallocation is not supported for block volumes: {what}")
    if metadata and volume.format == "raw" and volume.target.encryption is None:
        raise StorageUnsupported(f"metadata preallocation is not supported for raw volumes: {what}")
    if metadata and volume.format != "qcow2":
        raise StorageUnsupported(f"metadata preallocation only available with qcow2: {what}")
    if volume.target.compat and volume.format != "qcow2":
        raise StorageUnsupported(f"compatibility option only available with qcow2: {what}")
    if volume.type != "block" and volume.format not in (*MADE, "dir"):
        accepted = ", ".join(MADE)
        raise StorageInternal(f"{what}: images of format '{volume.format}' are not made, only: {accepted}")
    if volume.target.encryption is not None:
        encrypting.check(volume, volume.target.encryption)
    if volume.backing is not None:
        _check_backing(volume, volume.backing, source, metadata)
    _check_features(volume)


def _check_backing(volume: Volume, backing: BackingStore, source: Volume | None, metadata: bool) -> None:
    """A copy lies upon nothing; what its XML says must be what its source lies upon, if that does."""
    what, path = f"volume '{volume.name}'", backing.path or ""
    if metadata:
        raise StorageUnsupported(f"metadata preallocation conflicts with backing store: {what}")
    if volume.type == "block":
        return
    if volume.format in ("raw", "iso"):
        raise StorageUnsupported(f"cannot set backing store for raw volume: {what}")
    if source is not None:
        if source.backing is not None and _below(source) != path:
            raise StorageInternal(f"a different backing store cannot be specified: {what}")
        return
    if volume.format not in LAYERED:
        raise StorageInternal(f"backing storage not supported for {volume.format} volumes: {what}")
    if ":" in path.partition("/")[0]:
        raise StorageUnsupported(
            f"{what}: backing store '{path}' is no path of a file; a relative one begins ./"
        )


def _below(volume: Volume) -> str:
    """The path of the image that a volume lies upon."""
    name = (volume.backing.path if volume.backing else None) or ""
    return name if ":" in name.partition("/")[0] else str(Path(volume.path).parent / name)


def _check_features(volume: Volume) -> None:
    """Those of version 1.1; version 0.10 has none."""
    features, compat = volume.target.features, volume.target.compat or "0.10"
    if volume.format != "qcow2" or features is None or compat != "0.10":
        return
    if features.lazy_refcounts:
        raise StorageUnsupported(f"lazy_refcounts not supported with compat level {compat}")
    if features.extended_l2:
        raise StorageUnsupported(f"'extended_l2' not supported with compat level {compat}")


def _create(volume: Volume, metadata: bool, keys: Keys, backing: BackingStore | None) -> list[str]:
    below = ["-b", backing.path] if backing is not None and backing.path else []
    found = options(volume, metadata=metadata, backing=backing)
    size = [] if volume.capacity is None else [f"{-(-volume.capacity // 1024)}K"]
    return [
        "qemu-img", "create", "-f", image_format(volume), *below,
        *encrypting.secret(volume, keys.volume), *_listed(found), volume.path, *size,
    ]  # fmt: skip


def _convert(volume: Volume, source: Volume, metadata: bool) -> list[str]:
    formats = ["-f", image_format(source), "-O", image_format(volume)]
    listed = _listed(options(volume, metadata=metadata))
    return ["qemu-img", "convert", *formats, *listed, source.path, volume.path]


def fill(volume: Volume, source: Volume) -> list[str]:
    """The command that writes what ``source`` holds to an image that was made; neither has a key."""
    formats = ["-n", "--target-is-zero", "-f", image_format(source), "-O", image_format(volume)]
    return ["qemu-img", "convert", *formats, source.path, volume.path]


def _convert_encrypted(volume: Volume, source: Volume, keys: Keys) -> list[str]:
    """Into an image that is there, for only an image that is opened by options has a key."""
    return [
        "qemu-img", "convert", "--image-opts", "-n", "--target-image-opts",
        *encrypting.secret(volume, keys.volume), *encrypting.secret(source, keys.source),
        opened(source), opened(volume),
    ]  # fmt: skip


def onto(source: Volume, path: str, offset: int, length: int) -> list[str]:
    """The command that writes what a guest sees of ``source``, without a key, to bytes of a device."""
    target = f"driver=raw,offset={offset},size={length},file.filename={escaped(path)}"
    formats = ["-n", "-f", image_format(source), "--target-image-opts"]
    return ["qemu-img", "convert", *formats, source.path, target]


def opened(volume: Volume) -> str:
    """An image as ``--image-opts`` has it."""
    name = f"file.filename={escaped(volume.path)}"
    return ",".join([f"driver={image_format(volume)}", name, *encrypting.key_option(volume)])


def _listed(options: list[str]) -> list[str]:
    return ["-o", ",".join(options)] if options else []


def options(volume: Volume, *, metadata: bool = False, backing: BackingStore | None = None) -> list[str]:
    """What ``-o`` says of an image that is made."""
    target = volume.target
    found = []
    if backing is not None and backing.path:
        found.append(f"backing_fmt={backing.format_name}")
    found += encrypting.options(volume)
    if metadata:
        found.append(f"preallocation={_preallocation(volume)}")
    if target.nocow:
        found.append("nocow=on")
    if image_format(volume) == "qcow2":
        found.append(f"compat={target.compat or '0.10'}")
    if target.cluster_size:
        found.append(f"cluster_size={target.cluster_size}")
    return found + (_features(volume) if image_format(volume) == "qcow2" else [])


def _preallocation(volume: Volume) -> str:
    """An image that is to use all of its capacity is allocated as a whole."""
    return "metadata" if (volume.capacity or 0) > (volume.allocation or 0) else "falloc"


def _features(volume: Volume) -> list[str]:
    features = volume.target.features
    found = []
    if features is not None and features.lazy_refcounts:
        found.append("lazy_refcounts")
    if features is not None and features.extended_l2:
        found.append("extended_l2=on")
    return found


def with_progress(command: list[str]) -> list[str]:
    """The command that also tells its percentage on standard output, where qemu-img has that."""
    return [*command[:2], "-p", *command[2:]] if command[1] == "convert" else command
