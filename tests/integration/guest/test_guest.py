"""The test guest under a QEMU started by hand: when this fails, look here before looking at the driver."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guest.image import CMDLINE, INITRD, KERNEL, READY, ensure

NIC = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"]


class Machine:
    """A running QEMU: its serial console, line by line, and its monitor."""

    def __init__(self, process: subprocess.Popen[bytes], monitor: socket.socket) -> None:
        self.process, self.monitor = process, monitor

    def lines(self) -> Iterator[str]:
        """What the guest says, as it comes, until QEMU ends; the firmware clears the screen before it."""
        assert self.process.stdout
        return (line.decode(errors="replace").strip() for line in self.process.stdout)

    def until(self, words: str) -> list[str]:
        """All lines up to the one that holds the words."""
        said = []
        for line in self.lines():
            said.append(line)
            if words in line:
                return said
        raise AssertionError(f"QEMU ended before the guest said {words!r}: {said}")

    def command(self, name: str) -> None:
        """Sends one QMP command; the answer is not read."""
        self.monitor.sendall(json.dumps({"execute": name}).encode())


@contextmanager
def machine(kind: str, *devices: str) -> Iterator[Machine]:
    """QEMU with TCG, killed at the end if it still runs."""
    ours, theirs = socket.socketpair()
    argv = ["qemu-system-x86_64", "-M", kind, "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none"]
    argv += ["-kernel", str(KERNEL), "-initrd", str(INITRD), "-append", CMDLINE, "-serial", "stdio", *devices]
    argv += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
    pipe = subprocess.PIPE
    with ours, subprocess.Popen(argv, stdin=pipe, stdout=pipe, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        try:
            yield Machine(process, ours)
        finally:
            process.kill()


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The guest's files are there."""
    ensure()


@pytest.mark.parametrize("kind", ["pc", "q35"])
def test_it_boots_gets_an_address_and_obeys_the_power_button(kind: str) -> None:
    """READY precedes the first uptime, the network follows, and ACPI power-off ends QEMU with success."""
    with machine(kind, *NIC) as guest:
        assert not [line for line in guest.until(READY) if "uptime" in line]
        assert guest.until("EMBERVIRT-GUEST NET")[-1] == "EMBERVIRT-GUEST NET eth0 10.0.2.15"
        guest.command("qmp_capabilities")
        guest.command("system_powerdown")
        assert "EMBERVIRT-GUEST POWEROFF" in list(guest.lines())
        assert guest.process.wait() == 0


def test_the_power_button_works_at_once() -> None:
    """A press right after READY is not lost."""
    with machine("q35") as guest:
        guest.command("qmp_capabilities")
        guest.until(READY)
        guest.command("system_powerdown")
        assert guest.process.wait() == 0


def test_it_mounts_disks_and_counts_seconds(tmp_path: Path) -> None:
    """Each disk is named with what is on it; ticks have no gap; a typed line is run by the shell."""
    devices = []
    for name, make in (("ext4", ["mkfs.ext4", "-q"]), ("fat", ["busybox", "mkdosfs"]), ("empty", ["true"])):
        image = tmp_path / name
        image.touch()
        os.truncate(image, 8 << 20)
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        subprocess.run([*make, image], check=True, env={**os.environ, "PATH": path}, capture_output=True)
        devices += ["-drive", f"file={image},format=raw,if=virtio"]
    with machine("pc", *devices) as guest:
        said = [line for line in guest.until(READY) if "DISK" in line]
        assert [line.split("DISK ")[1] for line in said] == ["vda ext4", "vdb vfat", "vdc unmounted"]
        ticks = [line.split() for line in guest.until("tick 2")]
        assert [words[2:] for words in ticks] == [["tick", str(number)] for number in range(3)]
        assert guest.process.stdin
        guest.process.stdin.write(b"echo $((6 * 7)) on $(cat /sys/block/vda/size)\n")
        guest.process.stdin.flush()
        assert guest.until("42 on")[-1] == f"42 on {(8 << 20) // 512}"
