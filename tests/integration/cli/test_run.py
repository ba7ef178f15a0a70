"""``embervirt run``: console, signals, exit status, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from guest.image import CMDLINE, INITRD, KERNEL, READY, ensure
from integration.cli.harness import FIRMWARE, Cli

UUID = "8c1d2f4e-0000-4000-8000-000000000002"
SECRET = f"<secret ephemeral='no' private='no'><uuid>{UUID}</uuid></secret>"
LINUX = f"""<domain type='qemu'><name>demo</name><memory unit='MiB'>128</memory>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>{KERNEL}</kernel><initrd>{INITRD}</initrd>
<cmdline>{CMDLINE}</cmdline></os><features><acpi/></features>
<devices>{{}}<serial type='pty'/><console type='pty'/></devices></domain>"""
LUKS = f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{{}}'>
<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption></source>
<target dev='vda' bus='virtio'/></disk>"""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, with its temporary files below the test's own folder."""
    return Cli(tmp_path)


@pytest.fixture
def linux(cli: Cli) -> Path:
    """The XML of the test guest, which boots and obeys the power button."""
    ensure()
    return cli.file("linux.xml", LINUX.format(""))


@pytest.fixture
def firmware(cli: Cli) -> Path:
    """The XML of a guest that obeys nobody."""
    return cli.file("firmware.xml", FIRMWARE.format(name="stubborn"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_the_guest_to_power_off(cli: Cli, linux: Path, number: int) -> None:
    """The console shows it all, from the first line to the kernel's last; exit status 0, nothing is left."""
    with cli.running("run", linux) as running:
        running.until(READY)
        running.send(number)
        status, out, err = running.end()
    assert status == 0
    assert "EMBERVIRT-GUEST POWEROFF" in out
    assert out.rstrip().endswith("reboot: Power down")
    assert err == (
        "guest 'demo' is asked to power off; Ctrl-C again kills it\n"
        "guest 'demo' shut down\n"
    )  # fmt: skip
    assert cli.nothing_left()


def test_the_second_ctrl_c_kills(cli: Cli, firmware: Path) -> None:
    """A guest that does not obey is asked first, killed then; exit status 130, nothing is left."""
    with cli.running("run", firmware) as running:
        cli_ready(running.process.pid, cli)
        running.send()
        running.until("is asked to power off; Ctrl-C again kills it", "stderr")
        assert running.process.poll() is None
        running.send()
        status, _, err = running.end()
    assert (status, err) == (130, "error: guest 'stubborn' killed\n")
    assert cli.nothing_left()
