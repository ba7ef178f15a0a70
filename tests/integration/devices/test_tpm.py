"""An emulated TPM: its swtpm lives as long as its guest, is found again with it, and what it knows stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

import embervirt as libvirt
from embervirt import disk
from embervirt.drivers.qemu.backend import swtpm
from embervirt.drivers.qemu.backend.swtpm import Swtpm
from embervirt.drivers.qemu.messages import Degraded
from embervirt.drivers.qemu.store import Record
from embervirt.supervisor import search
from guest.calls import began
from guest.domain import SECONDS, Console, kill, linux, pid_of, qemus, small, uri, wait_until, watching
from guest.image import READY, ensure

pytestmark = pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")

TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
VALUE = b"Zr8vC2nQ"


def swtpms(root: Path) -> list[int]:
    """Pids of all swtpm processes of a root."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[:1] and words[0].endswith("/swtpm") and any(str(root) in word for word in words):
            found.append(process.pid)
    return found


def recorded(root: Path, name: str) -> Record:
    """A guest's record."""
    return msgspec.json.decode((root / "run/qemu" / f"{name}.json").read_bytes(), type=Record)


def test_swtpm_is_recorded_with_its_guest_and_gone_after_it(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Process, socket and files of the run; its state stays until the domain is undefined."""
    root = tmp_path / "root"
    domain = conn.defineXML(small("tpm", devices=TPM))
    domain.create()
    record = recorded(root, "tpm")
    assert record.tpm is not None
    assert [record.tpm.identity.pid] == swtpms(root)
    assert (root / "run/swtpm/1-tpm-swtpm.sock").is_socket()
    state = root / "lib/swtpm" / domain.UUIDString() / "tpm2"
    assert (state / "tpm2-00.permall").stat().st_size
    domain.destroy()
    assert swtpms(root) == []
    assert not list((root / "run/swtpm").iterdir())
    assert state.is_dir()
    domain.create()
    domain.destroy()
    domain.undefine()
    assert not state.parent.exists()


def test_a_persistent_state_outlives_its_definition(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Unless the undefine says that it goes."""
    lasting = TPM.replace("version", "persistent_state='yes' version")
    for flags, left in ((0, True), (libvirt.VIR_DOMAIN_UNDEFINE_TPM, False)):
        domain = conn.defineXML(small("last", devices=lasting))
        domain.create()
        domain.destroy()
        state = tmp_path / "root/lib/swtpm" / domain.UUIDString()
        domain.undefineFlags(flags)
        assert state.is_dir() == left


def test_a_transient_guests_tpm_remembers_nothing(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """There is no definition that it could be started from again."""
    domain = conn.createXML(small("once", devices=TPM))
    state = tmp_path / "root/lib/swtpm" / domain.UUIDString()
    assert (state / "tpm2").is_dir()
    domain.destroy()
    assert not state.exists()


def test_swtpm_is_found_again_with_its_guest(tmp_path: Path) -> None:
    """A root that is closed and opened again shows the same two processes; a destroy then ends both."""
    root = tmp_path / "root"
    with libvirt.open(uri(root)) as conn:
        conn.defineXML(small("again", devices=TPM)).create()
        before = recorded(root, "again").tpm
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("again")
        assert domain.isActive() == 1
        assert before is not None
        assert [before.identity.pid] == swtpms(root)
        domain.destroy()
    assert (swtpms(root), qemus(root)) == ([], [])


def test_i12_a_guest_that_loses_its_tpm_is_shown_so_and_runs_on(
    conn: libvirt.virConnect, tmp_path: Path
) -> None:
    """Nothing is started in its place: what the guest had told it is gone."""
    domain = conn.defineXML(small("lost", devices=TPM))
    domain.create()
    with watching(conn.root) as events:
        for pid in swtpms(tmp_path / "root"):
            os.kill(pid, signal.SIGKILL)
        told = events.wait(lambda event: isinstance(event, Degraded))
    assert isinstance(told[0], Degraded)
    assert told[0].why.startswith("tpm: its swtpm ended: killed by signal 9")
    assert domain.isActive() == 1
    domain.destroy()


def test_swtpm_ends_with_a_guest_that_is_killed(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Nobody is told of trouble with a TPM whose guest is gone."""
    root = tmp_path / "root"
    domain = conn.defineXML(small("killed", devices=TPM))
    domain.create()
    with watching(conn.root) as events:
        kill(pid_of(root, "killed"))
        wait_until(lambda: domain.isActive() == 0)
        assert not events.fitting(lambda event: isinstance(event, Degraded))
    assert swtpms(root) == []
    assert not list((root / "lib/qemu").glob("domain-*"))


def test_a_start_that_fails_leaves_no_swtpm(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """QEMU refuses another device: what was started before it goes with it, but for the TPM's state."""
    root = tmp_path / "root"
    bad = "<serial type='file'><source path='/nowhere/at/all'/></serial>"
    domain = conn.defineXML(small("failed", devices=TPM + bad))
    with pytest.raises(libvirt.libvirtError, match="nowhere"):
        domain.create()
    assert swtpms(root) == []
    assert not list((root / "run/swtpm").iterdir())
    assert not list((root / "lib/qemu").glob("domain-*"))


def test_a_swtpm_that_nobody_recorded_is_found_by_its_run(tmp_path: Path) -> None:
    """Its starter died between starting it and QEMU: an opening of the root ends it by what it carries."""
    for name in ("state/tpm2", "authority", "run"):
        (tmp_path / name).mkdir(parents=True)
    state, authority, log, sock, run = (
        tmp_path / name for name in ("state", "authority", "log", "sock", "run")
    )
    made = Swtpm("a:b", "2.0", state, authority, log, sock, run)
    spawned = made.start()
    try:
        assert search.kill_all(swtpm.nonce(tmp_path / "run"), SECONDS)
        assert spawned.hold() is None or swtpms(tmp_path) == []
    finally:
        swtpm.abandon(spawned)


def test_a_tpm_is_never_half_of_one_start_and_half_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was given up goes on with its own, while the next makes another: what is used is whole."""
    state, log, sock = (tmp_path / name for name in ("state", "log", "sock"))
    first, second = (
        Swtpm("a:b", "2.0", state, tmp_path / "authority", log, sock, tmp_path / name)
        for name in ("run-1", "run-2")
    )
    rename, set_up = disk.rename, Swtpm._set_up

    def late(path: Path, target: Path) -> None:
        if target == first.directory and len(runs) == 1:
            runs.append(began(lambda: second.manufacture(SECONDS)))
            assert making.wait(SECONDS)
        rename(path, target)

    def held(made: Swtpm, seconds: float) -> None:
        if made is second:
            making.set()
            assert over.wait(SECONDS)
        set_up(made, seconds)

    runs: list[Any] = [None]
    making, over = threading.Event(), threading.Event()
    monkeypatch.setattr(Swtpm, "_set_up", held)
    with disk.substituted(rename=late):
        with contextlib.suppress(OSError):
            first.manufacture(SECONDS)
        over.set()
        runs[1].exception(SECONDS)
        second.manufacture(SECONDS)
    assert (second.directory / "tpm2-00.permall").stat().st_size
    assert list(state.iterdir()) == [second.directory]


def test_an_encrypted_tpm_needs_its_secret(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """The value is on no command line and in no log; another one does not open the state."""
    usage = "<usage type='vtpm'><name>a</name></usage>"
    secret = conn.secretDefineXML(f"<secret>{usage}</secret>")
    inside = f"<encryption secret='{secret.UUIDString()}'/><active_pcr_banks><sha512/></active_pcr_banks>"
    xml = TPM.replace("version='2.0'/>", f"version='2.0'>{inside}</backend>")
    domain = conn.defineXML(small("locked", devices=xml))
    with pytest.raises(libvirt.libvirtError):
        domain.create()
    secret.setValue(VALUE)
    domain.create()
    root = tmp_path / "root"
    (pid,) = swtpms(root)
    assert VALUE not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert VALUE not in (root / "log/swtpm/locked-swtpm.log").read_bytes()
    domain.destroy()
    secret.setValue(b"another one")
    with pytest.raises(libvirt.libvirtError):
        domain.create()
    assert swtpms(root) == []


def test_a_guest_sees_its_tpm(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Where its drivers look: the firmware's table of devices."""
    ensure()
    domain = conn.defineXML(linux("sees", devices=TPM))
    domain.create()
    console = Console(tmp_path / "root", "sees")
    console.until(READY)
    tty = domain.XMLDesc().partition("tty='")[2].partition("'")[0]
    descriptor = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(descriptor, b"ls /sys/bus/acpi/devices\n")
        assert "MSFT0101" in console.until("MSFT0101")
    finally:
        os.close(descriptor)
    domain.destroy()
