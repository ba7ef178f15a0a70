"""Files that libvirt keeps beside a definition: an undefine names them, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from embervirt.drivers.qemu import filters
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service import beside
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.xml import parse
from embervirt.errors import OperationInvalid


def domain(nvram: str = "") -> Domain:
    """With this in its ``<os>``."""
    return parse(Domain, f"<domain type='qemu'><name>a</name><os><type>hvm</type>{nvram}</os></domain>")


PLAIN = domain()


def saved(paths: RootPaths) -> Path:
    """The memory of guest ``a``, as libvirt saves it."""
    return paths.managed_save("a")


def snapshot(paths: RootPaths) -> Path:
    """A description of a snapshot."""
    return paths.snapshots("a") / "s.xml"


def checkpoint(paths: RootPaths) -> Path:
    """A description of a checkpoint."""
    return paths.checkpoints("a") / "c.xml"


CASES = [
    (saved, beside.MANAGED_SAVE, "managed save image exists"),
    (snapshot, beside.SNAPSHOTS, "with 1 snapshots"),
    (checkpoint, beside.CHECKPOINTS, "with 1 checkpoints"),
]


@pytest.mark.parametrize(("file", "flag", "words"), CASES)
def test_a_file_needs_its_flag(
    tmp_path: Path, file: Callable[[RootPaths], Path], flag: int, words: str
) -> None:
    """Without it the undefine is refused, whatever other flags are given; with it the file goes."""
    paths = RootPaths(tmp_path)
    file(paths).parent.mkdir(parents=True)
    file(paths).touch()
    with pytest.raises(OperationInvalid, match=words):
        beside.taken(paths, "a", PLAIN, 0x7F & ~flag, active=False)
    (taken,) = beside.taken(paths, "a", PLAIN, flag, active=False)
    assert file(paths).is_relative_to(taken)


def test_a_running_domain_keeps_its_snapshots(tmp_path: Path) -> None:
    """It goes on, and they are its own still."""
    paths = RootPaths(tmp_path)
    for file in (snapshot(paths), checkpoint(paths)):
        file.parent.mkdir(parents=True)
        file.touch()
    assert beside.taken(paths, "a", PLAIN, 0, active=True) == []


NVRAM = (
    "<nvram>{}</nvram>",
    "<nvram template='/t'>{}</nvram>",
    "<nvram type='file'><source file='{}'/></nvram>",
)


@pytest.mark.parametrize("nvram", NVRAM)
def test_the_variables_of_a_uefi_are_kept_or_go(tmp_path: Path, nvram: str) -> None:
    """If they are there, one of the two flags says which; both is a contradiction."""
    paths, file = RootPaths(tmp_path), tmp_path / "vars.fd"
    described = domain(nvram.format(file))
    assert beside.taken(paths, "a", described, 0, active=False) == []
    file.touch()
    with pytest.raises(OperationInvalid, match="cannot undefine domain with nvram"):
        beside.taken(paths, "a", described, 0, active=False)
    assert beside.taken(paths, "a", described, beside.NVRAM, active=False) == [file]
    assert beside.taken(paths, "a", described, beside.KEEP_NVRAM, active=False) == []
    with pytest.raises(OperationInvalid, match="cannot both keep and delete nvram"):
        beside.check(beside.NVRAM | beside.KEEP_NVRAM)
    with pytest.raises(OperationInvalid, match="cannot both keep and delete TPM"):
        beside.check(beside.TPM | beside.KEEP_TPM)


def test_files_beside_a_definition_are_what_a_list_asks_for(tmp_path: Path) -> None:
    """Each of the three groups has exactly one answer."""
    paths = RootPaths(tmp_path)
    nothing = filters.NO_MANAGEDSAVE | filters.NO_SNAPSHOT | filters.NO_CHECKPOINT
    assert beside.traits(paths, "a") == nothing
    saved(paths).parent.mkdir(parents=True)
    saved(paths).touch()
    assert beside.traits(paths, "a") == filters.MANAGEDSAVE | filters.NO_SNAPSHOT | filters.NO_CHECKPOINT
