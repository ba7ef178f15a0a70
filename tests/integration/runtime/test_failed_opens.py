"""An open that fails is an error with libvirt's code, leaves nothing behind, and can be retried."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from counted import no_more_than, open_and_running
from embervirt import faults
from embervirt.runtime import open_roots
from guest.domain import pid_of, small, uri, wait_until


def bad_settings(root: Path) -> None:
    """An unknown key."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/embervirt.toml").write_text("[calls]\nno_such_setting = 1\n")


def root_is_a_file(root: Path) -> None:
    """Where a directory should be."""
    root.write_text("")


def lock_is_a_directory(root: Path) -> None:
    """No lock can be taken."""
    (root / "run/embervirt.lock").mkdir(parents=True)


def lock_is_a_link(root: Path) -> None:
    """It might lead anywhere."""
    (root / "run").mkdir(parents=True)
    (root / "run/embervirt.lock").symlink_to("/dev/null")


FAILURES: list[tuple[Callable[[Path], None], int]] = [
    (bad_settings, libvirt.VIR_ERR_CONFIG_UNSUPPORTED),
    (root_is_a_file, libvirt.VIR_ERR_SYSTEM_ERROR),
    (lock_is_a_directory, libvirt.VIR_ERR_SYSTEM_ERROR),
    (lock_is_a_link, libvirt.VIR_ERR_SYSTEM_ERROR),
]


def tree(folder: Path) -> dict[str, bool]:
    """All there is, and whether it is a directory."""
    return {str(each.relative_to(folder)): each.is_dir() for each in folder.rglob("*")}


@pytest.mark.parametrize(("spoil", "code"), FAILURES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_failed_open_leaves_nothing_and_can_be_retried(
    tmp_path: Path, spoil: Callable[[Path], None], code: int
) -> None:
    """No directory, lock, thread or descriptor; once the cause is gone the same open works."""
    root = tmp_path / "root"
    spoil(root)
    there, before = tree(tmp_path), open_and_running()
    for driver in ("secret", "qemu", "qemu"):
        with pytest.raises(libvirt.libvirtError) as refused:
            libvirt.open(uri(root, driver))
        assert refused.value.get_error_code() == code, refused.value
        assert str(root) in str(refused.value)
    assert tree(tmp_path) == there
    assert no_more_than(before)
    subprocess.run(["rm", "-rf", str(root)], check=True)
    libvirt.open(uri(root)).close()


@pytest.mark.parametrize("actor", ["events", "processes", "qemu"])
def test_an_actor_that_cannot_start_is_a_failed_open_that_leaves_nothing(tmp_path: Path, actor: str) -> None:
    """Whichever it is; once it can, the same open works."""
    root, before = tmp_path / "root", open_and_running()
    failing = faults.inject("actor.starting", faults.crash(), where={"actor": actor})
    with failing as injected, pytest.raises(libvirt.libvirtError) as refused:
        libvirt.open(uri(root))
    assert (refused.value.get_error_code(), injected.hits) == (libvirt.VIR_ERR_INTERNAL_ERROR, 1)
    assert tree(tmp_path) == {}
    assert no_more_than(before)
    libvirt.open(uri(root)).close()


@pytest.mark.parametrize(
    ("parent", "code"), [("file", libvirt.VIR_ERR_SYSTEM_ERROR), ("proc", libvirt.VIR_ERR_SYSTEM_ERROR)]
)
def test_a_root_that_cannot_be_made_is_an_error(tmp_path: Path, parent: str, code: int) -> None:
    """Below a file, and where even the superuser may not write."""
    (tmp_path / "file").write_text("")
    root = {"file": tmp_path / "file/a/b", "proc": Path("/proc/self/embervirt/root")}[parent]
    with pytest.raises(libvirt.libvirtError, match="cannot create directory") as refused:
        libvirt.open(uri(root))
    assert refused.value.get_error_code() == code
    assert tree(tmp_path) == {"file": False}


REFUSED = [
    ("", libvirt.VIR_ERR_NO_CONNECT),
    ("qemu:///embed", libvirt.VIR_ERR_INVALID_ARG),
    ("qemu:///embed?root=", libvirt.VIR_ERR_CONFIG_UNSUPPORTED),
    ("qemu:///embed?root=relative", libvirt.VIR_ERR_CONFIG_UNSUPPORTED),
    ("qemu:///embed?root={root}&root=/other", libvirt.VIR_ERR_INVALID_ARG),
    ("qemu:///embed?root={root}&colour=blue", libvirt.VIR_ERR_INVALID_ARG),
    ("qemu:///system?root={root}", libvirt.VIR_ERR_NO_CONNECT),
    ("qemu://host/embed?root={root}", libvirt.VIR_ERR_NO_CONNECT),
    ("qemu+ssh:///embed?root={root}", libvirt.VIR_ERR_NO_CONNECT),
    ("nodedev:///embed?root={root}", libvirt.VIR_ERR_NO_CONNECT),
    ("xen:///embed?root={root}", libvirt.VIR_ERR_NO_CONNECT),
    ("qemu:///embed?root={root}%zz", libvirt.VIR_ERR_INTERNAL_ERROR),
    ("qemu:///embed?root={root}%00", libvirt.VIR_ERR_INVALID_ARG),
    ("qemu:///embed?root={root}%ff", libvirt.VIR_ERR_INVALID_ARG),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_a_uri_that_names_no_root_is_refused(tmp_path: Path, text: str, code: int) -> None:
    """With libvirt's code, whichever way it is opened, and before anything is touched."""
    root = tmp_path / "root"
    for opener in (libvirt.open, libvirt.openReadOnly, lambda name: libvirt.openAuth(name, [[], None, None])):
        with pytest.raises(libvirt.libvirtError) as refused:
            opener(text.format(root=root))
        assert refused.value.get_error_code() == code, refused.value
    assert tree(tmp_path) == {}


def test_a_failed_root_can_be_opened_anew_beside_its_old_handles(root: Path) -> None:
    """Old handles say that it failed, new ones work, guests run on, and closing the old ones harms nobody."""
    settings = {"supervision.driver_intensity": 1}
    old = libvirt.open(uri(root), settings=settings)
    old.domainEventRegister(lambda *about: None, None)
    guest = old.createXML(small("a"), libvirt.VIR_DOMAIN_START_AUTODESTROY)
    pid, failed = pid_of(root, "a"), threading.Event()
    old.root.on_failed.append(lambda why: failed.set())
    while not failed.wait(0.01):
        old.root.crash("drivers/qemu")
    with pytest.raises(libvirt.libvirtError, match="the root failed"):
        old.defineXML(small("c", uuid="6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"))
    for call in (guest.state, old.listAllDomains, guest.destroy, old.numOfSecrets):
        with pytest.raises(libvirt.libvirtError, match="the root failed") as refused:
            call()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_CONN
    assert old.isAlive() == 0
    new = libvirt.open(uri(root), settings={"supervision.driver_intensity": 3})
    old.close()
    domain = new.defineXML(small("b"))
    domain.create()
    domain.destroy()
    wait_until(lambda: not psutil.pid_exists(pid))  # its recorder takes note a moment later
    new.close()
    assert open_roots() == []
