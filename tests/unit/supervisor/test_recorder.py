"""A program under a recorder has exactly what it was given; its status is known whatever the host does."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
import pytest

import counted
from embervirt.errors import InternalError
from embervirt.supervisor import recorder
from embervirt.supervisor.identity import has_exited, hold, send_signal, start_time, wait_exit
from embervirt.supervisor.recorder import Spawned, read_status, reap, spawn

pytestmark = pytest.mark.filterwarnings("error")
"""A socket or process that is only collected as garbage is a leak."""

LONG = 20.0
"""Seconds that nothing here needs: a wait that lasts so long has failed."""

DEADLY = [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGQUIT]
ENDING = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE]


@dataclass
class Bench:
    """A log, a status file and a gate: a FIFO that ``cat`` reads until ``open_gate`` lets it go."""

    directory: Path
    log_fd: int = -1
    status: Path = field(init=False)
    gate: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log_fd = os.open(self.directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self.status = self.directory / "status"
        self.gate = self.directory / "gate"
        os.mkfifo(self.gate)

    @property
    def log(self) -> str:
        """What the program said."""
        return (self.directory / "log").read_text()

    def run(self, *argv: str) -> int | None:
        """The recorded status of a program that ends by itself."""
        ended(spawn(argv, status_file=self.status, log_fd=self.log_fd))
        return read_status(self.status)

    @contextmanager
    def blocked(self, *pass_fds: int) -> Iterator[Spawned]:
        """A program that runs, its gate the only file it opened, until the end of the block or of itself."""
        argv = ["/bin/cat", str(self.gate)]
        spawned = spawn(argv, status_file=self.status, log_fd=self.log_fd, pass_fds=pass_fds)
        with self.gate.open("wb"):
            yield spawned
        ended(spawned)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A place to run programs."""
    made = Bench(tmp_path)
    yield made
    os.close(made.log_fd)


def ended(spawned: Spawned) -> None:
    """Waits for the recorder's end and asserts that it is no zombie."""
    assert reap(spawned, LONG)
    assert start_time(spawned.recorder_pid) is None


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open: number and target."""
    return {int(link.name): str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


def kill(pid: int, start: int, number: int) -> None:
    """Sends a signal to exactly that process."""
    pidfd = hold(pid, start)
    assert pidfd is not None
    assert send_signal(pidfd, number)
    os.close(pidfd)


@pytest.mark.parametrize("code", [0, 1, 7, 126, 127, 128, 193, 255])
def test_an_exit_code_is_recorded(bench: Bench, code: int) -> None:
    """What a program exits with is what is read, and no temporary file stays."""
    assert bench.run("/bin/sh", "-c", f"exit {code}") == code
    assert sorted(path.name for path in bench.directory.iterdir()) == ["gate", "log", "status"]


@pytest.mark.parametrize("number", DEADLY)
def test_a_death_by_signal_is_recorded(bench: Bench, number: signal.Signals) -> None:
    """A killed program's status is minus the signal's number, also for signals a shell ignores behind it."""
    assert bench.run("/bin/sh", "-c", f"kill -{int(number)} $$") == -number


@pytest.mark.parametrize(("program", "status"), [("/nonexistent", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_be_executed_says_so(bench: Bench, program: str, status: int) -> None:
    """It ends with the shell's status for that, and the log names it."""
    assert bench.run(program) == status
    assert program in bench.log


def test_no_status_is_unknown(bench: Bench) -> None:
    """As long as the program runs nothing is known, and nothing is believed."""
    with bench.blocked() as spawned:
        assert read_status(bench.status) is None
        assert reap(spawned, 0) is False
    assert read_status(bench.status) == 0


def test_an_earlier_status_is_not_this_ones(bench: Bench) -> None:
    """A status file of an earlier run is removed before the start."""
    bench.status.write_text("9\n")
    with bench.blocked():
        assert read_status(bench.status) is None


def test_arguments_arrive_as_they_are(bench: Bench) -> None:
    """No shell reads the program's arguments: quotes, blanks, newlines and dollars are just bytes."""
    words = ["a b", "'", '"', "$HOME", "`id`", "*", "", "line\nline", "-n", "\\", "é"]
    assert bench.run("/usr/bin/printf", r"<%s>\n", *words) == 0
    assert bench.log == "".join(f"<{word}>\n" for word in words)


def test_the_pid_is_the_programs_own(bench: Bench) -> None:
    """The program is a child of the recorder, in the recorder's session, and neither is in ours."""
    with bench.blocked() as spawned:
        program, parent = psutil.Process(spawned.pid), psutil.Process(spawned.recorder_pid)
        assert program.cmdline() == ["/bin/cat", str(bench.gate)]
        assert program.parent() == parent
        assert parent.parent() == psutil.Process()
        assert os.getsid(spawned.pid) == spawned.recorder_pid != os.getsid(0)
        assert (spawned.start, spawned.recorder_start) == (start_time(program.pid), start_time(parent.pid))


def test_i17_the_program_has_the_listed_descriptors_only(bench: Bench) -> None:
    """Whatever the host leaves inheritable, the program has its three and the plan, the recorder none."""
    plan = [fcntl.fcntl(bench.log_fd, fcntl.F_DUPFD_CLOEXEC, least) for least in (3, 40, 400)]
    strays = [os.open("/dev/zero", os.O_RDONLY) for _ in range(5)]
    for stray in strays:
        os.set_inheritable(stray, True)
    with bench.blocked(*plan) as spawned:
        log, null = str(bench.directory / "log"), "/dev/null"
        expected = {0: null, 1: log, 2: log} | dict.fromkeys(plan, log)
        seen = descriptors(spawned.pid)
        assert {number: seen[number] for number in seen if seen[number] != str(bench.gate)} == expected
        assert descriptors(spawned.recorder_pid) == {0: null, 1: null, 2: null}
    for descriptor in (*plan, *strays):
        os.close(descriptor)


def test_the_program_starts_from_known_limits(bench: Bench) -> None:
    """Directory, umask, core size and environment are the recorder's, not the host's."""
    assert bench.run("/bin/sh", "-c", "pwd; umask; ulimit -c; ulimit -Hc; env") == 0
    lines = bench.log.splitlines()
    given = {line for line in lines[4:] if not line.startswith(("_=", "SHLVL=", "PWD=", "OLDPWD="))}
    assert lines[:4] == ["/", "0077", "0", "0"]
    assert given == {"LC_ALL=C", f"PATH={os.environ['PATH']}"}


def test_the_status_file_is_private(bench: Bench) -> None:
    """It is 0600 under any umask of the host."""
    assert bench.run("/bin/true") == 0
    assert bench.status.stat().st_mode & 0o777 == 0o600


def test_a_stopped_program_has_not_ended(bench: Bench) -> None:
    """SIGSTOP is no end: the status comes when the program goes on and ends."""
    with bench.blocked() as spawned:
        kill(spawned.pid, spawned.start, signal.SIGSTOP)
        assert reap(spawned, 0.1) is False
        assert read_status(bench.status) is None
        kill(spawned.pid, spawned.start, signal.SIGCONT)
    assert read_status(bench.status) == 0


@pytest.mark.parametrize("number", ENDING)
def test_the_end_of_a_session_does_not_end_a_recorder(bench: Bench, number: signal.Signals) -> None:
    """What a terminal or a service manager sends to all processes leaves the recorder at its work."""
    with bench.blocked() as spawned:
        kill(spawned.recorder_pid, spawned.recorder_start, number)
    assert read_status(bench.status) == 0


def test_j09_without_its_recorder_a_program_goes_on_and_its_status_is_unknown(bench: Bench) -> None:
    """SIGKILL of the recorder harms nobody; nothing hangs, nothing is made up."""
    with bench.blocked() as spawned:
        kill(spawned.recorder_pid, spawned.recorder_start, signal.SIGKILL)
        assert reap(spawned, LONG) is True
        pidfd = spawned.hold()
        assert pidfd is not None
        assert not has_exited(pidfd)
    assert wait_exit(pidfd, LONG)
    os.close(pidfd)
    assert read_status(bench.status) is None


def test_i15_the_spawning_thread_may_end(bench: Bench) -> None:
    """The program goes on when the thread that started it is gone."""
    held: list[Spawned] = []
    argv = ["/bin/cat", str(bench.gate)]

    def start() -> None:
        held.append(spawn(argv, status_file=bench.status, log_fd=bench.log_fd))

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    with bench.gate.open("wb"):
        assert reap(held[0], 0) is False
    assert reap(held[0], LONG)
    assert read_status(bench.status) == 0


def test_many_starts_at_once_do_not_mix(bench: Bench) -> None:
    """Forty programs started by eight threads end with their own status, and no descriptor stays open."""
    before = counted.descriptors()
    seen: dict[int, int | None] = {}

    def some(codes: range) -> None:
        for code in codes:
            file = bench.directory / f"status-{code}"
            argv = ["/bin/sh", "-c", f"exit {code}"]
            assert reap(spawn(argv, status_file=file, log_fd=bench.log_fd), LONG)
            seen[code] = read_status(file)

    threads = [threading.Thread(target=some, args=(range(first, 40, 8),)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {code: code for code in range(40)}
    assert counted.descriptors() == before


def test_only_the_recorder_is_collected(bench: Bench) -> None:
    """A child of the host that has the recorder's number but started at another time keeps its status."""
    with subprocess.Popen(["/bin/sh", "-c", "exit 5"]) as other:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        ticks = start_time(other.pid)
        assert ticks is not None
        assert reap(Spawned(1, 1, other.pid, ticks - 1), LONG)
    assert other.returncode == 5


def test_a_recorder_that_cannot_start_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its shell the start fails, says where to look, and leaves no child."""
    monkeypatch.setattr(recorder, "STARTER", ("/usr/bin/env", "no-such-shell"))
    with pytest.raises(InternalError, match="recorder of /bin/true ended before"):
        bench.run("/bin/true")
    assert "no-such-shell" in bench.log


def test_a_relative_status_file_is_refused(bench: Bench) -> None:
    """It would be written wherever the recorder runs."""
    with pytest.raises(ValueError, match="must be an absolute path"):
        spawn(["/bin/true"], status_file=Path("status"), log_fd=bench.log_fd)


@pytest.mark.parametrize("reader", ["none", "stalled", "killed"])
def test_i16_a_program_that_prints_is_never_blocked_by_who_reads(bench: Bench, reader: str) -> None:
    """It writes its log itself: 10 MB are there, to the last line, whatever becomes of a reader."""
    with ExitStack() as readers:
        if reader != "none":
            tail = ["tail", "-f", str(bench.directory / "log")]
            reading = readers.enter_context(subprocess.Popen(tail, stdout=subprocess.PIPE))
            readers.callback(reading.kill)
            reading.send_signal(signal.SIGSTOP if reader == "stalled" else signal.SIGKILL)
        assert bench.run("/bin/sh", "-c", "seq 1 1500000; exit 7") == 7
    assert len(bench.log) > 10_000_000
    assert bench.log.endswith("\n1499999\n1500000\n")


C_LIBRARYS = 0b11 << 31
"""Signals 32 and 33 are the C library's own: no program sets them, and some hosts begin with them ignored."""

HOSTILE = {
    "ignores SIGCHLD": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "blocks every signal": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 13, 15, 17)]",
    "reaps every child": "threading.Thread(target=reaper, daemon=True).start()",
    "lost its directory": "d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "has no umask": "os.umask(0)",
    "has a shell's functions": "os.environ['BASH_FUNC_wait%%'] = '() { exit 0; }'",
}

HOST = """
import gc, os, signal, subprocess, sys, tempfile, threading
from pathlib import Path
from embervirt.supervisor.recorder import read_status, reap, spawn

def reaper():
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os.sched_yield()

log = os.open(sys.argv[1] + "/log", os.O_WRONLY | os.O_CREAT, 0o600)
status = Path(sys.argv[1], "status")
{hostility}
spawned = spawn(["/bin/sh", "-c", "grep -E 'Sig(Blk|Ign)|Umask' /proc/self/status; exit 7"],
                status_file=status, log_fd=log)
assert reap(spawned, 20)
gc.collect()
print(read_status(status), subprocess._active, oct(status.stat().st_mode))
"""


LIMITED = """
import os, resource, sys
from pathlib import Path
from embervirt.supervisor.recorder import reap, spawn

log = os.open(sys.argv[1] + "/log", os.O_WRONLY | os.O_CREAT, 0o600)
soft = {"AS": 1 << 34, "CPU": 50, "DATA": 1 << 33, "FSIZE": 1 << 20, "NOFILE": 100, "NPROC": 5000}
for name, value in soft.items():
    number = getattr(resource, "RLIMIT_" + name)
    resource.setrlimit(number, (value, resource.getrlimit(number)[1]))
options = ["--noheadings", "--raw", "--output=RESOURCE,SOFT,HARD", *(f"--{name.lower()}" for name in soft)]
assert reap(spawn(["prlimit", *options], status_file=Path(sys.argv[1], "status"), log_fd=log), 20)
"""


def test_n03_soft_limits_of_the_host_are_not_its_programs(tmp_path: Path) -> None:
    """A host that bounds its own files, say, does not bound its guests' logs; hard limits are for all."""
    subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], check=True)
    limits = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(name for name, _, _ in limits) == ["AS", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC"]
    assert [soft for _, soft, _ in limits] == [hard for _, _, hard in limits]


@pytest.mark.parametrize("hostility", HOSTILE.values(), ids=HOSTILE.keys())
def test_n01_n02_n03_a_hostile_host_changes_nothing(tmp_path: Path, hostility: str) -> None:
    """The status is right, the program starts with no signal ignored or blocked, and no warning is given."""
    script = HOST.format(hostility=hostility)
    argv = [sys.executable, "-X", "dev", "-W", "error", "-c", script, str(tmp_path)]
    host = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (host.stdout, host.stderr) == ("7 [] 0o100600\n", "")
    seen = dict(line.split(":\t") for line in (tmp_path / "log").read_text().splitlines())
    assert seen["Umask"] == "0077"
    assert [int(seen[name], 16) & ~C_LIBRARYS for name in ("SigBlk", "SigIgn")] == [0, 0]


AGENT = """
import os, signal, sys
from pathlib import Path
import msgspec
from embervirt.supervisor.recorder import spawn

status, gate = Path(sys.argv[1]), sys.argv[2]
spawned = spawn(["/bin/cat", gate], status_file=status, log_fd=2)
sys.stdout.buffer.write(msgspec.json.encode(spawned))
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_agent_leaves_the_recorder_at_work(bench: Bench) -> None:
    """Program and recorder outlive SIGKILL of the process that started them, and the status is written."""
    argv = [sys.executable, "-c", AGENT, str(bench.status), str(bench.gate)]
    agent = subprocess.run(argv, stdout=subprocess.PIPE, stderr=bench.log_fd, check=False)
    assert agent.returncode == -signal.SIGKILL
    spawned = msgspec.json.decode(agent.stdout, type=Spawned)
    with bench.gate.open("wb"):
        assert reap(spawned, 0) is False
        assert read_status(bench.status) is None
    assert reap(spawned, LONG)
    assert read_status(bench.status) == 0
