"""``embervirt run``: console, signals, exit status, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from guest.image import CMDLINE, INITRD, KERNEL, READY, ensure
from integration.cli.harness import Cli

UUID = "8c1d2f4e-0000-4000-8000-000000000002"
SECRET = f"<secret ephemeral='no' private='no'><uuid>{UUID}</uuid></secret>"
LINUX = f"""<domain type='qemu'><name>demo</name><memory unit='MiB'>128</memory>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>{KERNEL}</kernel><initrd>{INITRD}</initrd>
<cmdline>{CMDLINE} {{more}}</cmdline></os><features><acpi/></features>
<devices>{{disk}}<serial type='pty'/><console type='pty'/></devices></domain>"""
LUKS = f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{{}}'>
<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption></source>
<target dev='vda' bus='virtio'/></disk>"""


SUM = b"\recho sum $((6 * 7))\r"
"""Two lines, for the reason that ``guest.shell.typed`` gives."""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, with its temporary files below the test's own folder."""
    return Cli(tmp_path)


@pytest.fixture
def linux(cli: Cli) -> Path:
    """The XML of the test guest, which boots and obeys the power button."""
    ensure()
    return cli.file("linux.xml", LINUX.format(disk="", more=""))


@pytest.fixture
def stubborn(cli: Cli) -> Path:
    """The XML of the test guest without ACPI: it boots, and has no power button."""
    ensure()
    return cli.file("stubborn.xml", LINUX.format(disk="", more="acpi=off"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_the_guest_to_power_off(cli: Cli, linux: Path, number: int) -> None:
    """The console shows all of it up to the kernel's last line; exit status 0, and nothing is left."""
    with cli.running("run", linux) as running:
        running.until(READY)
        running.send(number)
        status, out, err = running.end()
    assert status == 0
    assert "EMBERVIRT-GUEST POWEROFF" in out
    assert out.rstrip().endswith("reboot: Power down")
    asked = "guest 'demo' is asked to power off; Ctrl-C again kills it"
    assert err.splitlines() == [asked, "guest 'demo' shut down"]
    assert cli.nothing_left()


def test_the_second_ctrl_c_kills(cli: Cli, stubborn: Path) -> None:
    """A guest that does not obey is asked first and killed then: exit status 130, and nothing is left."""
    with cli.running("run", stubborn) as running:
        running.until(READY)
        running.send(signal.SIGTERM)
        running.until("is asked to power off; Ctrl-C again kills it", "stderr")
        running.send(signal.SIGTERM)
        running.until("tick")
        running.until("tick")
        assert running.process.poll() is None, "SIGTERM may ask twice, and must not kill"
        running.send(signal.SIGINT)
        status, _, err = running.end()
    assert (status, err) == (130, "error: guest 'demo' killed\n")
    assert cli.nothing_left()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (signal.SIGKILL, "crashed: killed by signal 9 (SIGKILL)"),
        (signal.SIGTERM, "was ended from outside: host-signal; exited with status 0"),
    ],
)
def test_a_qemu_that_was_killed_is_status_3(cli: Cli, linux: Path, number: int, why: str) -> None:
    """The cause is told in words, and nothing is left."""
    with cli.running("run", linux) as running:
        running.until(READY)
        (qemu,) = cli.qemus()
        qemu.send_signal(number)
        status, _, err = running.end()
    assert (status, err) == (3, f"error: guest 'demo' {why}\n")
    assert cli.nothing_left()


def test_a_reader_that_goes_away_ends_the_guest(cli: Cli, linux: Path) -> None:
    """As for any program in a pipe; the guest is destroyed, not just left, and the root knows it."""
    with cli.running("run", linux, root=True) as running:
        running.until(READY)
        assert running.process.stdout
        running.process.stdout.close()
        assert running.process.stderr
        assert running.process.stderr.read() == ""
        assert running.process.wait() == 1
    assert cli.qemus() == []
    assert "demo (id 1) Stopped Destroyed" in cli("events").splitlines()[-1]
    assert cli("list", "--all", "--json") == "[]\n"


def test_json_is_one_document_and_the_console_goes_elsewhere(cli: Cli, linux: Path) -> None:
    """Standard output is the document, standard error has the console."""
    with cli.running("run", "--json", linux) as running:
        running.until(READY, "stderr")
        running.send()
        status, out, _ = running.end()
    document = json.loads(out)
    assert (status, document["status"], document["reason"]) == (0, 0, "shut down")
    assert (document["name"], document["id"]) == ("demo", 1)


def test_a_guest_that_cannot_start_is_status_1(cli: Cli) -> None:
    """QEMU's own words are shown, and nothing is left."""
    xml = LINUX.format(disk="", more="").replace(str(KERNEL), "/does/not/exist")
    with cli.running("run", cli.file("bad.xml", xml)) as running:
        status, out, err = running.end()
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert "/does/not/exist" in err
    assert "Traceback" not in err
    assert cli.nothing_left()


def test_a_secret_opens_a_disk_for_one_run(cli: Cli) -> None:
    """The guest sees the encrypted disk; a root of the user's own has neither guest nor secret afterwards."""
    ensure()
    key = cli.folder / "key"
    key.write_bytes(b"pass\xc3\xa4word")
    disk = cli.folder / "disk.luks"
    create = ["qemu-img", "create", "-q", "--object", f"secret,id=key,file={key}", "-f", "luks"]
    subprocess.run([*create, "-o", "key-secret=key,iter-time=10,hash-alg=sha512", disk, "8M"], check=True)
    guest = cli.file("guest.xml", LINUX.format(disk=LUKS.format(disk), more=""))
    secret = cli.file("secret.xml", SECRET)
    with cli.running("run", "--secret", f"{secret},{key}", guest, root=True) as running:
        assert any("EMBERVIRT-GUEST DISK vda" in line for line in running.until(READY))
        running.send()
        status, _, err = running.end()
    assert status == 0, err
    assert cli.qemus() == []
    assert cli("list", "--all", "--json") == "[]\n"
    assert cli("secret-list", "--json") == "[]\n"


def test_the_terminal_is_the_guests(cli: Cli, linux: Path) -> None:
    """What is typed runs in the guest, Ctrl-C powers it off, and the terminal is as before."""
    with cli.on_terminal("run", linux) as terminal:
        terminal.until(READY.encode())
        terminal.type(SUM)
        terminal.until(b"sum 42")
        terminal.type(b"\x03")
        terminal.until(b"guest 'demo' shut down")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before
    assert cli.nothing_left()


def test_the_console_can_be_left(cli: Cli, linux: Path) -> None:
    """Ctrl-] gives the terminal back, the guest runs on, and Ctrl-C still powers it off."""
    with cli.on_terminal("run", linux) as terminal:
        terminal.until(READY.encode())
        terminal.type(b"\x1d")
        terminal.until(b"left the console; Ctrl-C asks the guest to power off")
        assert len(cli.qemus()) == 1
        terminal.type(b"\x03")
        assert b"reboot" not in terminal.until(b"guest 'demo' shut down")
        assert terminal.end() == 0
    assert cli.nothing_left()


def test_the_command_console_joins_a_running_guest(cli: Cli, linux: Path) -> None:
    """All keys but Ctrl-] are the guest's, the root is free meanwhile, and the guest runs on afterwards."""
    cli("create", linux)
    with cli.on_terminal("console", "demo", root=True) as terminal:
        terminal.until(b"Connected to domain 'demo'; Ctrl-] leaves")
        terminal.until(b"tick")
        terminal.type(SUM)
        terminal.until(b"sum 42")
        terminal.type(b"\x03")
        assert cli("domstate", "demo") == "running\n"
        terminal.type(b"\x1d")
        assert terminal.end() == 0
        assert terminal.modes() == terminal.before
    assert cli("shutdown", "demo", "--wait", "100") == "Domain 'demo' shut down\n"
    assert cli.qemus() == []
