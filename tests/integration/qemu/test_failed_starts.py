"""A start that fails is an error with libvirt's code and QEMU's last words, and leaves nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.store import Store
from guest import headers
from guest.calls import code_of, nothing_is_left, raced
from guest.domain import has_ended, kill, qemus, small, uri, wait_until

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
SHUTOFF = 5


def script(path: Path, body: str) -> Path:
    """An emulator that is a QEMU for the driver's questions, and something else for a guest."""
    path.write_text(f'#!/bin/sh\ncase "$*" in *guest=*) {body};; esac\nexec qemu-system-x86_64 "$@"\n')
    path.chmod(0o700)
    return path


DISK = """<disk type='file'><driver name='qemu' type='{kind}'/><source file='{file}'/>
<target dev='vda' bus='virtio'/></disk>"""
INTERNAL, SYSTEM = libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR
FAILURES = {
    "exits": ("echo some words >&2; echo last words >&2; exit 3", INTERNAL, "some words\nlast words"),
    "is killed": ("kill -9 $$", INTERNAL, "process exited"),
    "hangs up": ("exit 0", INTERNAL, "it said nothing"),
    "no disk": (":", SYSTEM, "Cannot access storage file '{file}': No such file or directory"),
    "no kernel": (":", SYSTEM, "unable to stat: {file}: No such file or directory"),
    "bad disk": (":", INTERNAL, "does not contain a reference count table"),
    "bad device": (":", SYSTEM, "Cannot access storage file '{file}': it is a directory"),
}
"""What the emulator does with the guest, the code of the error, and what the message says."""


def failing(what: str, devices: str, file: Path) -> str:
    """The XML of a guest that fails in that way; ``file`` is what it misses, or cannot use."""
    if what == "no kernel":
        return small("a", devices=devices, uuid=UUID).replace("</os>", f"<kernel>{file}</kernel></os>")
    if what == "bad device":
        file.mkdir()
    elif what == "bad disk":
        headers.qcow2(file)
    if what.endswith(("disk", "device")):
        devices += DISK.format(kind="qcow2" if what == "bad disk" else "raw", file=file)
    return small("a", devices=devices, uuid=UUID)


@pytest.mark.parametrize("how", ["create", "createXML"])
@pytest.mark.parametrize("what", FAILURES)
def test_a_start_that_fails_leaves_nothing(
    conn: libvirt.virConnect, tmp_path: Path, what: str, how: str
) -> None:
    """The error has libvirt's code and QEMU's last words; once it is mended the domain can be started."""
    body, code, words = FAILURES[what]
    emulator, file = script(tmp_path / "emulator", ":"), tmp_path / "file"
    devices = f"<emulator>{emulator}</emulator>"
    xml = failing(what, devices, file)
    domain = conn.defineXML(xml)
    if how == "createXML":
        domain.undefine()
    script(emulator, body)
    threads = threading.active_count()
    for _ in range(2):
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.create() if how == "create" else conn.createXML(xml)
        assert refused.value.get_error_code() == code, refused.value
        assert words.format(file=file) in str(refused.value)
        logs = set() if code == SYSTEM else {"a.log"}
        assert nothing_is_left(conn, tmp_path / "root", before=logs)
    if how == "create":
        assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED]
    assert len(conn.listAllDomains()) == (how == "create")
    wait_until(lambda: threading.active_count() <= threads)
    script(emulator, ":")
    conn.createXML(small("a", devices=devices, uuid=UUID)).destroy()


def test_an_emulator_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After ``start_timeout`` the start fails, and the process is gone."""
    emulator = script(tmp_path / "emulator", ":")
    with libvirt.open(uri(tmp_path / "root"), settings={"qemu.start_timeout": 1.0}) as conn:
        domain = conn.defineXML(small("a", devices=f"<emulator>{emulator}</emulator>"))
        script(emulator, "exec sleep 1000")
        assert code_of(domain.create) == libvirt.VIR_ERR_OPERATION_TIMEOUT
        assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})
    assert all(map(has_ended, psutil.Process().children(recursive=True)))


def test_a_qemu_that_ends_with_its_first_instruction_is_no_success(
    conn: libvirt.virConnect, tmp_path: Path
) -> None:
    """Killed as soon as its pid is known, whatever step the start is at: an error, or a run that ended."""
    domain = conn.defineXML(small("a"))
    over = threading.Event()

    def killer() -> None:
        while not over.is_set():
            for pid in qemus(tmp_path):
                kill(pid)

    thread = threading.Thread(target=killer)
    thread.start()
    codes = [raced(threading.Barrier(1), domain.create) for _ in range(10)]
    over.set()
    thread.join()
    assert set(codes) <= {None, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_INVALID}, codes
    for call in (domain.create, domain.destroy):  # the last run may live, be ending, or be over
        assert raced(threading.Barrier(1), call) in (None, libvirt.VIR_ERR_OPERATION_INVALID)
    assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})


def test_a_qemu_that_ends_before_the_start_is_over_leaves_nothing(
    conn: libvirt.virConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran, and was recorded, but nobody had been told: the start failed."""
    domain, original = conn.defineXML(small("a")), Store.keep

    def killed(store: Store, record: Any) -> None:
        original(store, record)
        kill(record.process.identity.pid)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "keep", killed)
        assert code_of(domain.create) == libvirt.VIR_ERR_INTERNAL_ERROR
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED]
    assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})
    domain.create()
    domain.destroy()
