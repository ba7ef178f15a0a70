"""A QEMU is started up to its greeting with exactly what it was given; a start that fails leaves nothing."""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest

import counted
from embervirt.drivers.qemu.backend import launch as launching
from embervirt.drivers.qemu.backend.monitor import Monitor
from embervirt.drivers.qemu.backend.protocol import Backend, Command, Launched
from embervirt.drivers.qemu.backend.real import RealBackend
from embervirt.drivers.qemu.errors import LaunchFailed, MonitorTimeout, NoEmulator
from embervirt.errors import InternalError, SystemError_, libvirtError
from embervirt.supervisor.identity import Process
from embervirt.supervisor.recorder import read_status, reap

pytestmark = pytest.mark.filterwarnings("error")
"""A socket or process that is only collected as garbage is a leak."""

QEMU = "/usr/bin/qemu-system-x86_64"
LONG = 60.0
"""Seconds that nothing here needs."""

NOTHING = ("-S", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none")


class Host:
    """A run's directory, and what its end told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "domain-1-a"
        self.directory.mkdir(0o700)
        self.log = directory / "a.log"
        self.status = self.directory / "status"
        self.backend = RealBackend(directory)
        self.argv: Callable[[int], Sequence[str]] = lambda fd: self.qemu(fd)
        self.nonce = f"guest=a,process={directory}"
        self.pass_fds: tuple[int, ...] = ()
        self.closed: Future[Exception | None] = Future()

    def qemu(self, fd: int, *more: str, binary: str = QEMU) -> list[str]:
        """Arguments for a QEMU without a machine."""
        chardev = f"socket,id=charmonitor,fd={fd},server=on,wait=on"
        monitor = ("-chardev", chardev, "-mon", "chardev=charmonitor,mode=control")
        return [binary, "-name", self.nonce, *NOTHING, *monitor, *more]

    def start(self, seconds: float = LONG) -> Launched:
        """Launches it."""
        command = Command(self.directory, self.log, self.status, self.nonce, self.argv, self.pass_fds)
        hands: Backend = self.backend
        deadline = time.monotonic() + seconds
        return hands.launch(
            command, deadline=deadline, on_event=lambda event: None, on_close=self.closed.set_result
        )

    def quit(self, launched: Launched) -> int | None:
        """Ends QEMU in order; its exit status."""
        launched.monitor.execute("quit", timeout=LONG)
        assert reap(launched.spawned, LONG)
        return read_status(self.status)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A place to start a QEMU."""
    made = Host(tmp_path)
    yield made
    made.backend.close()


def nothing_left(host: Host) -> None:
    """Asserts that a failed start left no file, process or descriptor of its own."""
    assert list(host.directory.iterdir()) == []
    assert psutil.Process().children(recursive=True) == []


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open: number and target."""
    return {int(link.name): str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_launched_qemu_answers_and_is_known(host: Host) -> None:
    """Its session works, its identity opens exactly it, and its end is seen and recorded."""
    launched = host.start()
    assert launched.monitor.execute("query-status", timeout=LONG)["running"] is False
    with Process.attach(launched.identity) or pytest.fail("it runs") as process:
        assert launched.identity.pid == launched.spawned.pid
        file = Path(QEMU).resolve().stat()
        assert launched.identity.exe == (file.st_dev, file.st_ino)
        assert host.quit(launched) == 0
        assert process.wait(LONG)
    assert isinstance(host.closed.result(LONG), EOFError | ConnectionError)


def test_qemu_has_its_descriptors_only(host: Host) -> None:
    """At its start it has /dev/null, its log, the monitor and the plan; the recorder has none of them."""
    stray, planned = os.open("/dev/zero", os.O_RDONLY), os.open("/dev/full", os.O_RDONLY)
    os.set_inheritable(stray, True)
    host.pass_fds = (planned,)
    launched = host.start()
    seen = descriptors(launched.spawned.pid)
    assert (seen[0], seen[1], seen[2], seen[planned]) == (
        "/dev/null",
        str(host.log),
        str(host.log),
        "/dev/full",
    )
    # What QEMU opened itself are sockets, pipes and anonymous inodes, and /dev/kvm in some configurations.
    files = sorted(target for target in seen.values() if target.startswith("/"))
    assert files == sorted(["/dev/null", str(host.log), str(host.log), "/dev/full"])
    assert set(descriptors(launched.spawned.recorder_pid).values()) == {"/dev/null"}
    os.close(stray)
    os.close(planned)
    host.quit(launched)


def test_qemu_is_out_of_our_reach(host: Host) -> None:
    """It has a session of its own, works in /, and its environment is libvirt's list."""
    launched = host.start()
    process = psutil.Process(launched.spawned.pid)
    home = str(host.directory)
    assert os.getsid(process.pid) == launched.spawned.recorder_pid
    assert process.cwd() == "/"
    given = {
        name: value
        for name, value in process.environ().items()
        if name not in {"_", "PWD", "SHLVL", "OLDPWD"}
    }
    assert given == {
        "LC_ALL": "C",
        "PATH": os.environ["PATH"],
        "HOME": home,
        "XDG_DATA_HOME": f"{home}/.local/share",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
    }
    host.quit(launched)


def test_another_session_finds_it_after_the_first(host: Host) -> None:
    """After ``close`` QEMU runs on and a new session reaches it at the socket's path."""
    first = host.start()
    first.monitor.close()
    command = Command(host.directory, host.log, host.status, host.nonce, host.argv)
    connecting = host.backend.connecting(
        command.monitor, on_event=lambda event: None, on_close=lambda cause: None
    )
    again = connecting.result(LONG)
    assert again.execute("query-status", timeout=LONG)["running"] is False
    assert stat.S_IMODE(command.monitor.stat().st_mode) == 0o600
    again.execute("quit", timeout=LONG)
    assert reap(first.spawned, LONG)


def test_the_log_begins_with_the_command(host: Host) -> None:
    """As libvirt writes it: what starts, then the command for a shell; no value of a secret object."""
    secrets = (
        '{"qom-type":"secret","id":"a","data":"c2VjcmV0"}',
        '{"qom-type":"secret", "data" : "c2Vj\\"cmV0","id":"b"}',
        "secret,id=c,data=c2VjcmV0,format=base64",
        "secret,data=c2VjcmV0,,x,id=d",
    )
    host.log.write_text("an earlier run\n")
    host.argv = lambda fd: host.qemu(
        fd, *(word for secret in secrets for word in ("-object", secret)), "-nonsense"
    )
    with pytest.raises(LaunchFailed):
        host.start()
    lines = host.log.read_text().splitlines()
    assert lines[0] == "an earlier run"
    assert "+0000: starting up embervirt" in lines[1]
    assert lines[2] == "LC_ALL=C \\"
    assert lines[8:10] == [f"{QEMU} \\", f"-name {host.nonce} \\"]
    assert [line for line in lines if "-object" in line] == [
        """-object '{"qom-type":"secret","id":"a","data":"***"}' \\""",
        """-object '{"qom-type":"secret", "data" : "***","id":"b"}' \\""",
        "-object 'secret,id=c,data=***,format=base64' \\",
        "-object 'secret,data=***,id=d' \\",
    ]
    assert stat.S_IMODE(host.log.stat().st_mode) & 0o077 == 0o044  # as it was: the log is not ours to change


def test_a_new_log_is_private(host: Host) -> None:
    """It is made 0600."""
    host.quit(host.start())
    assert stat.S_IMODE(host.log.stat().st_mode) == 0o600


def test_a_qemu_that_exits_says_why(host: Host) -> None:
    """The error is libvirt's, with QEMU's last lines and none of an earlier run, long before the deadline."""
    host.log.write_text("an earlier run\n")
    host.argv = lambda fd: host.qemu(fd, "-nonsense")
    began = time.monotonic()
    with pytest.raises(LaunchFailed) as failed:
        host.start()
    assert time.monotonic() - began < LONG / 4
    said = "process exited while connecting to monitor: qemu-system-x86_64: -nonsense: invalid option"
    assert failed.value.err is not None
    assert failed.value.err[:3] == (1, 10, f"internal error: {said}")
    nothing_left(host)


def test_what_every_qemu_says_is_not_why_one_ends(host: Host) -> None:
    """That it waited for its monitor's client stands in the log, and not in the error."""
    host.argv = lambda fd: host.qemu(fd, "-device", "nonsense")
    with pytest.raises(LaunchFailed) as failed:
        host.start()
    said = "qemu-system-x86_64: -device nonsense: 'nonsense' is not a valid device model name"
    assert failed.value.detail == f"process exited while connecting to monitor: {said}"
    assert "waiting for connection" in host.log.read_text()
    nothing_left(host)


def test_only_the_last_lines_are_told(host: Host, tmp_path: Path) -> None:
    """An emulator that prints a lot before it ends is quoted with ten lines."""
    talker = script(tmp_path, "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 1")
    host.argv = lambda fd: [talker, host.nonce]
    with pytest.raises(LaunchFailed) as failed:
        host.start()
    assert failed.value.detail.split(": ", 1)[1].splitlines() == [
        f"line {number}" for number in range(490, 500)
    ]
    nothing_left(host)


def test_an_emulator_that_says_nothing_fails_all_the_same(host: Host) -> None:
    """There is always a text."""
    host.argv = lambda fd: ["/bin/true", host.nonce]
    with pytest.raises(LaunchFailed, match="it said nothing"):
        host.start()
    nothing_left(host)


def test_a_qemu_that_never_greets_is_ended_at_the_deadline(host: Host, tmp_path: Path) -> None:
    """It is killed although it ignores every request to end."""
    os.mkfifo(tmp_path / "gate")
    mute = script(tmp_path, f"trap '' TERM INT HUP; exec cat {tmp_path}/gate")
    host.argv = lambda fd: [mute, host.nonce]
    with pytest.raises(MonitorTimeout):
        host.start(0.2)
    nothing_left(host)


@pytest.mark.parametrize(
    ("binary", "number", "words"),
    [
        ("/nonexistent", errno.ENOENT, "Cannot check QEMU binary /nonexistent: No such file or directory"),
        ("qemu-system-x86_64", errno.ENOENT, "Cannot check QEMU binary qemu-system-x86_64: No such file"),
        ("/etc/passwd", errno.EACCES, "QEMU binary /etc/passwd is not executable: Permission denied"),
        ("/usr", errno.EISDIR, "QEMU binary /usr is not executable: Is a directory"),
    ],
)
def test_an_emulator_that_cannot_run_is_named(host: Host, binary: str, number: int, words: str) -> None:
    """Code, errno and words are libvirt 9's."""
    host.argv = lambda fd: host.qemu(fd, binary=binary)
    with pytest.raises(NoEmulator, match=words) as refused:
        host.start()
    assert (refused.value.get_error_code(), refused.value.get_error_domain()) == (38, 10)
    assert refused.value.get_int1() == number
    nothing_left(host)


def script(directory: Path, text: str) -> str:
    """An executable that runs ``text``."""
    path = directory / "emulator"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def refuse(*arguments: Any, **named: Any) -> Any:
    """Fails as a host without free descriptors does."""
    raise OSError(errno.EMFILE, "Too many open files")


STEPS = {
    "listen": ("sockets.listen", SystemError_),
    "connect": ("sockets.connect", SystemError_),
    "log": ("appending", SystemError_),
    "header": ("_write_header", SystemError_),
    "check": ("check_emulator", SystemError_),
    "spawn": ("spawn", SystemError_),
    "session": ("Monitor.connect", OSError),
    "identity": ("identify", OSError),
}


@pytest.mark.parametrize(("step", "error"), STEPS.values(), ids=STEPS.keys())
def test_a_failure_of_any_step_undoes_the_others(
    host: Host, monkeypatch: pytest.MonkeyPatch, step: str, error: type[Exception]
) -> None:
    """Whichever step fails, no process, file or descriptor stays, and the next start works."""
    before = counted.descriptors(), threading.active_count()
    with monkeypatch.context() as broken:
        broken.setattr(f"{launching.__name__}.{step}", refuse)
        with pytest.raises(error, match="Too many open files"):
            host.start()
    nothing_left(host)
    assert (counted.descriptors(), threading.active_count()) == before
    if step == "identify":
        assert host.closed.result(0) is None
        host.closed = Future()
    host.quit(host.start())


def test_a_process_without_the_nonce_is_not_ours(host: Host) -> None:
    """A QEMU whose command line lacks the nonce cannot be found again, so it is not left running."""
    argv = host.qemu(0)
    host.nonce = "another"
    host.argv = lambda fd: [word.replace("fd=0", f"fd={fd}") for word in argv]
    with pytest.raises(LaunchFailed):
        host.start()
    assert host.closed.done()
    nothing_left(host)


def test_arguments_that_cannot_be_made_undo_the_start(host: Host) -> None:
    """What the factory raises comes out as it is."""

    def fails(fd: int) -> list[str]:
        raise InternalError("no arguments")

    host.argv = fails
    with pytest.raises(InternalError, match="no arguments"):
        host.start()
    nothing_left(host)


def test_a_socket_of_a_live_run_is_not_taken_over(host: Host) -> None:
    """A second start in the same directory fails and the first QEMU keeps its socket and answers."""
    first = host.start()
    with pytest.raises(SystemError_, match="Address already in use"):
        host.start()
    assert first.monitor.execute("query-status", timeout=LONG)["running"] is False
    assert (host.directory / "monitor.sock").is_socket()
    assert host.quit(first) == 0


def test_a_log_that_is_a_link_is_refused(host: Host, tmp_path: Path) -> None:
    """QEMU's output is never appended to a file that somebody linked there."""
    (tmp_path / "victim").write_text("")
    host.log.symlink_to(tmp_path / "victim")
    with pytest.raises(SystemError_, match="cannot start QEMU"):
        host.start()
    assert (tmp_path / "victim").read_text() == ""
    nothing_left(host)


def test_killed_is_told_from_quit(host: Host) -> None:
    """SIGKILL is recorded as the signal."""
    launched = host.start()
    with Process.attach(launched.identity) or pytest.fail("it runs") as process:
        process.signal(signal.SIGKILL)
    assert reap(launched.spawned, LONG)
    assert read_status(host.status) == -signal.SIGKILL


def test_a_directory_of_250_bytes_is_no_matter(tmp_path: Path) -> None:
    """Monitor, log and status file work where a socket's address is too short."""
    directory = tmp_path / ("d" * 200)
    directory.mkdir(0o700)
    host = Host(directory)
    launched = host.start()
    assert isinstance(launched.monitor, Monitor)
    assert host.quit(launched) == 0
    host.backend.close()


def test_every_failure_is_of_the_one_tree() -> None:
    """A program that catches libvirtError catches each of them."""
    assert all(issubclass(error, libvirtError) for error in (LaunchFailed, NoEmulator, MonitorTimeout))
