"""Files that libvirt keeps beside a definition: what an undefine takes along, or is refused for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.drivers.qemu import filters, firmware
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service import nvram, tpm
from embervirt.drivers.root.files import remove
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import OperationInvalid

MANAGED_SAVE, SNAPSHOTS, NVRAM, KEEP_NVRAM, CHECKPOINTS, TPM, KEEP_TPM = (1 << bit for bit in range(7))
"""``virDomainUndefineFlagsValues``."""


class Beside(NamedTuple):
    """A file or directory, the flags that allow to remove it, and what is said without one of them."""

    path: Path
    remove: int
    keep: int
    refusal: str


def refused(text: str) -> OperationInvalid:
    return OperationInvalid(text, virdomain=VIR_FROM_QEMU)


def check(flags: int) -> None:
    """Raises OperationInvalid for flags that contradict each other."""
    if flags & NVRAM and flags & KEEP_NVRAM:
        raise refused("cannot both keep and delete nvram")
    if flags & TPM and flags & KEEP_TPM:
        raise refused("cannot both keep and delete TPM")


def taken(paths: RootPaths, name: str, domain: Domain, flags: int, active: bool) -> list[Path]:
    """What is to be removed with the definition. Raises OperationInvalid for what no flag speaks of."""
    found = [each for each in _beside(paths, name, domain, active) if each.path.exists()]
    for each in found:
        if not flags & (each.remove | each.keep):
            raise refused(each.refusal)
    return [*(each.path for each in found if flags & each.remove), *_tpm(paths, domain, flags, active)]


def _tpm(paths: RootPaths, domain: Domain, flags: int, active: bool) -> list[Path]:
    """The state of a TPM goes, unless a flag or its XML says that it stays; a running guest uses it."""
    stays = flags & KEEP_TPM or (tpm.persists(domain) and not flags & TPM)
    state = tpm.state(paths, domain.uuid)
    return [] if stays or active or not state.is_dir() else [state]


def _beside(paths: RootPaths, name: str, domain: Domain, active: bool) -> list[Beside]:
    """In the order in which libvirt asks."""
    variables = nvram.file_of(domain)
    if variables is None and domain.os.firmware_kind == "efi":
        # Chosen for each start; its variables are where they always are.
        variables = firmware.usual_nvram(str(paths.nvram), name)
    words = "Refusing to undefine while domain managed save image exists"
    kept = [Beside(paths.managed_save(name), MANAGED_SAVE, 0, words)]
    if variables is not None:
        kept.append(Beside(variables, NVRAM, KEEP_NVRAM, "cannot undefine domain with nvram"))
    if active:
        return kept
    return [
        _described(paths.snapshots(name), SNAPSHOTS, "snapshots"),
        _described(paths.checkpoints(name), CHECKPOINTS, "checkpoints"),
        *kept,
    ]


def _described(directory: Path, flag: int, what: str) -> Beside:
    count = described(directory)
    return Beside(directory, flag, 0 if count else flag, f"cannot delete inactive domain with {count} {what}")


def traits(paths: RootPaths, name: str) -> int:
    """What ``virConnectListAllDomainsFlags`` say of them."""
    saved = filters.MANAGEDSAVE if paths.managed_save(name).exists() else filters.NO_MANAGEDSAVE
    snapshots = filters.HAS_SNAPSHOT if described(paths.snapshots(name)) else filters.NO_SNAPSHOT
    checkpoints = filters.HAS_CHECKPOINT if described(paths.checkpoints(name)) else filters.NO_CHECKPOINT
    return saved | snapshots | checkpoints


def described(directory: Path) -> int:
    """How many snapshots or checkpoints libvirt has described there."""
    return len(list(directory.glob("*.xml")))


def discard(path: Path, fence: Fence) -> None:
    """A file, or a directory with all that is in it."""
    if path.is_dir():
        with fence.guard():
            disk.remove_tree(path)
    else:
        remove(path, durable=True, fence=fence)
