"""A QEMU binary is asked once what it can do; what is no QEMU is told so in bounded time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from counted import descriptors
from embervirt.drivers.qemu.backend import probe as probing
from embervirt.drivers.qemu.backend.monitor import MonitorLoop
from embervirt.drivers.qemu.backend.probe import cached, probe
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.errors import NoEmulator, ProbeFailed

QEMU = "/usr/bin/qemu-system-x86_64"
LONG = 60.0
"""Seconds that nothing here needs."""


@pytest.fixture(scope="module")
def loop() -> Iterator[MonitorLoop]:
    """A running loop."""
    with MonitorLoop() as running:
        yield running


@pytest.fixture(scope="module")
def probed(loop: MonitorLoop) -> Capabilities:
    """What the installed QEMU says."""
    return probe(QEMU, loop)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The binaries that were really asked, in order."""
    asked: list[str] = []

    def noted(binary: str, loop: MonitorLoop) -> Capabilities:
        asked.append(binary)
        return probe(binary, loop)

    monkeypatch.setattr(probing, "probe", noted)
    return asked


def script(directory: Path, text: str) -> str:
    """An executable that runs ``text``."""
    path = directory / "emulator"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_the_installed_qemu_is_described(probed: Capabilities) -> None:
    """Version, machines, devices, objects and commands are what this QEMU has."""
    assert probed.binary == str(Path(QEMU).resolve())
    assert probed.arch == "x86_64"
    assert probed.version >= (7, 0, 0)
    assert probed.aliases.keys() >= {"pc", "q35"}
    q35 = probed.machines[probed.aliases["q35"]]
    assert (q35.alias, q35.default_ram_id, q35.deprecated, q35.default) == ("q35", "pc.ram", False, False)
    assert q35.max_cpus >= 255
    assert [machine.alias for machine in probed.machines.values() if machine.default] == ["pc"]
    assert probed.devices >= {"virtio-blk-pci", "virtio-net-pci", "virtio-rng-pci", "virtio-balloon-pci"}
    assert probed.objects >= {"secret", "rng-random", "memory-backend-file", "memory-backend-memfd"}
    assert probed.commands >= {"query-status", "blockdev-add", "device_add", "object-add"}


def test_abstract_types_are_no_devices(probed: Capabilities) -> None:
    """Only what ``-device`` takes is listed."""
    assert probed.devices.isdisjoint({"device", "pci-device", "virtio-device"})


def test_kvm_works_only_where_its_device_opens(probed: Capabilities) -> None:
    """Without /dev/kvm there is no KVM."""
    assert probed.kvm <= os.access("/dev/kvm", os.R_OK | os.W_OK)


def test_a_probe_leaves_nothing(loop: MonitorLoop) -> None:
    """No process, no descriptor."""
    before = descriptors()
    probe(QEMU, loop)
    assert descriptors() == before
    assert psutil.Process().children(recursive=True) == []


def test_the_second_question_is_a_file_read(loop: MonitorLoop, tmp_path: Path, probes: list[str]) -> None:
    """It asks nobody and says the same."""
    first = cached(QEMU, tmp_path, loop)
    assert [cached(QEMU, tmp_path, loop) for _ in range(3)] == [first] * 3
    assert probes == [QEMU]


def test_the_file_is_private_and_alone(loop: MonitorLoop, tmp_path: Path) -> None:
    """One file, 0600, named by a SHA-256 digest, the same for the same answer."""
    cached(QEMU, tmp_path, loop)
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".json"
    assert len(bytes.fromhex(file.stem)) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    file.unlink()
    cached(QEMU, tmp_path, loop)
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"{}", b"\0\xff" * 100, b'{"binary": 1}', b"[]", b"half"])
def test_a_file_that_is_no_answer_is_asked_anew(
    loop: MonitorLoop, tmp_path: Path, probes: list[str], content: bytes
) -> None:
    """A torn, empty or foreign file is replaced by a good one."""
    first = cached(QEMU, tmp_path, loop)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    assert cached(QEMU, tmp_path, loop) == first
    assert file.read_bytes() == whole
    assert len(probes) == 2


def test_a_link_in_place_of_the_file_is_replaced(loop: MonitorLoop, tmp_path: Path) -> None:
    """What it points at is neither believed nor written."""
    first = cached(QEMU, tmp_path, loop)
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.symlink_to("/dev/zero")
    assert cached(QEMU, tmp_path, loop) == first
    assert not file.is_symlink()


def test_another_binary_is_asked_itself(loop: MonitorLoop, tmp_path: Path, probes: list[str]) -> None:
    """A binary that is replaced or touched is not known by its name, one that is linked is."""
    cache, binary, link = tmp_path / "cache", tmp_path / "qemu", tmp_path / "link"
    cache.mkdir()
    link.symlink_to(QEMU)
    shutil.copy2(QEMU, binary)
    for path in (QEMU, str(link), str(binary), str(binary)):
        cached(path, cache, loop)
    os.utime(binary)
    cached(str(binary), cache, loop)
    assert probes == [QEMU, str(binary), str(binary)]


def test_kvm_coming_or_going_is_asked_anew(
    loop: MonitorLoop, tmp_path: Path, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether /dev/kvm opens is part of the key."""
    for device in ("/dev/null", "/nonexistent", "/dev/null", "/nonexistent"):
        monkeypatch.setattr(probing, "KVM", device)
        cached(QEMU, tmp_path, loop)
    assert len(probes) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no such thing as QMP >&2; exit 3", "no such thing as QMP"),
        ("echo on standard output", "on standard output"),
        ("exit 0", "the connection ended during connect"),
    ],
)
def test_what_is_no_qemu_is_told_with_its_words(
    loop: MonitorLoop, tmp_path: Path, text: str, said: str
) -> None:
    """Code and words are libvirt 9's, followed by what the program printed, without waiting for more."""
    binary = script(tmp_path, text)
    began = time.monotonic()
    with pytest.raises(ProbeFailed, match=said) as failed:
        probe(binary, loop, LONG)
    assert time.monotonic() - began < LONG / 2
    assert (failed.value.get_error_code(), failed.value.get_error_domain()) == (1, 10)
    assert f"Failed to start QEMU binary {binary} for probing: " in failed.value.detail


def test_what_never_answers_is_ended_in_time(loop: MonitorLoop, tmp_path: Path) -> None:
    """A program that ignores every request to end costs the probe's time and leaves no process."""
    os.mkfifo(tmp_path / "gate")
    binary = script(tmp_path, f"trap '' TERM INT HUP; exec cat {tmp_path}/gate")
    began = time.monotonic()
    with pytest.raises(ProbeFailed, match="no answer to connect within"):
        probe(binary, loop, 0.3)
    assert time.monotonic() - began < probing.SECONDS  # which it would have had
    assert psutil.Process().children(recursive=True) == []


def test_a_binary_of_another_kind_is_told_as_such(loop: MonitorLoop, tmp_path: Path) -> None:
    """An executable file that no kernel can run is no QEMU, and what tried to run it says why."""
    binary = tmp_path / "garbage"
    binary.write_bytes(b"\x7fELF garbage")
    binary.chmod(0o700)
    with pytest.raises(ProbeFailed, match=r"probing: .*garbage: .+"):
        probe(str(binary), loop)


def test_a_missing_binary_is_named(loop: MonitorLoop, tmp_path: Path) -> None:
    """It is not even looked for in the cache."""
    with pytest.raises(NoEmulator, match="Cannot check QEMU binary /nonexistent: No such file or directory"):
        cached("/nonexistent", tmp_path, loop)
    assert list(tmp_path.iterdir()) == []
