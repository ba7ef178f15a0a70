"""What a host program may do to itself, it may do with embervirt in it: each runs as a process of its own."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from guest.domain import SECONDS, Console, gapless, kill, pid_of, qemus, uri, watching
from guest.host import Host
from guest.image import READY, ensure

MISDEEDS = {
    "ignores SIGCHLD": """
def misbehave():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
""",
    "reaps every child": """
def reap():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.0005)
threading.Thread(target=reap, daemon=True).start()
def misbehave():
    pass
""",
    "waits for every child": """
def reap():
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.0005)
threading.Thread(target=reap, daemon=True).start()
def misbehave():
    pass
""",
    "stops all Pykka actors": """
import pykka
def misbehave():
    pykka.ActorRegistry.stop_all()
""",
    "raises SystemExit in its own actor": """
import pykka
class Own(pykka.ThreadingActor):
    use_daemon_thread = True
    def on_receive(self, message):
        raise SystemExit(3)
def misbehave():
    own = Own.start()
    own.tell("go")
    own.actor_stopped.wait(60)
    assert own.actor_stopped.is_set()
""",
    "has a working directory that is gone": """
def misbehave():
    os.makedirs("/tmp/gone-%d" % os.getpid())
    os.chdir("/tmp/gone-%d" % os.getpid())
    os.rmdir("/tmp/gone-%d" % os.getpid())
""",
    "has umask 0": """
def misbehave():
    os.umask(0)
""",
    "has umask 0777": """
def misbehave():
    os.umask(0o777)
""",
    "has no standard descriptors": """
os.closerange(0, 3)
def misbehave():
    pass
""",
    "blocks all signals": """
def misbehave():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
misbehave()
""",
    "has strange limits": """
import resource
def misbehave():
    for limit, soft in (("CORE", None), ("STACK", 1 << 26), ("NOFILE", 300), ("MEMLOCK", 0), ("RTPRIO", 0)):
        hard = resource.getrlimit(getattr(resource, "RLIMIT_" + limit))[1]
        resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (hard if soft is None else soft, hard))
    os.nice(1)
    sys.setrecursionlimit(300)
    sys.setswitchinterval(0.05)
""",
    "has a foreign locale and environment": """
import locale
def misbehave():
    for name in ("C.UTF-8", "POSIX"):
        locale.setlocale(locale.LC_ALL, name)
    os.environ.clear()
    os.environ.update(LANG="tr_TR.UTF-8", PATH="/usr/sbin:/usr/bin:/bin", BASH_ENV="/etc/passwd", IFS="q")
""",
    "waits for its signals itself": """
import subprocess
def misbehave():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    for number in (signal.SIGTERM, signal.SIGUSR1):
        os.kill(os.getpid(), number)  # it would end the process, if any thread took it
        assert signal.sigtimedwait([number], 60)
""",
    "has warnings for errors": """
import warnings
def misbehave():
    warnings.simplefilter("error")
misbehave()
""",
    "has sockets with a time limit": """
import socket
def misbehave():
    socket.setdefaulttimeout(0.001)
misbehave()
""",
    "has threads with small stacks": """
def misbehave():
    threading.stack_size(64 * 1024)
misbehave()
""",
    "has an event loop policy of its own": """
import asyncio
class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        raise RuntimeError("no loops here")
    get_event_loop = new_event_loop
def misbehave():
    asyncio.set_event_loop_policy(Policy())
misbehave()
""",
    "is interrupted all the time": """
import atexit
def misbehave():
    signal.signal(signal.SIGALRM, lambda *about: None)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
""",
    "traces every line it runs": """
def misbehave():
    threading.settrace(lambda *event: None)
    sys.settrace(lambda *event: None)
""",
}

LIFE = """
conn = libvirt.open(uri(ROOT))
misbehave()
domain = conn.defineXML(small("a", devices="<console type='pty'/>"))
secret = conn.secretDefineXML(SECRET)
secret.setValue(b"value")
misbehave()
endings = []
is_end = lambda event: type(event).__name__ == "Lifecycle" and event.event == 5
with watching(conn.root) as events:
    for number in (9, 15):
        domain.create()
        misbehave()
        domain.suspend()
        domain.resume()
        os.kill(pid_of(ROOT, "a"), number)
        endings.append([events.wait(is_end, count=len(endings) + 1)[-1].why, domain.state()])
domain.create()
domain.destroy()
endings.append(domain.state())
conn.close()
misbehave()
again = libvirt.open(uri(ROOT))
value = again.secretLookupByUsage(2, "a").value().decode()
again.lookupByName("a").create()
alive = again.lookupByName("a").state()
say(endings=endings, value=value, alive=alive)
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Guests that a program leaves running are ended after the test."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


@pytest.mark.parametrize("deed", MISDEEDS)
def test_n01_n02_n03_l05_a_program_that_misbehaves_harms_nothing_here(root: Path, deed: str) -> None:
    """Calls work, endings have their true cause, files their modes; the next process finds its guest."""
    host = Host(root, MISDEEDS[deed] + LIFE)
    said = host.hear()
    crashed = [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
    ended = [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]
    destroyed = [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]
    assert said["endings"] == [
        ["killed by signal 9 (SIGKILL)", crashed],
        ["exited with status 0", ended],
        destroyed,
    ]
    assert (said["value"], said["alive"][0]) == ("value", libvirt.VIR_DOMAIN_RUNNING)
    host.end()
    assert open_to_others(root) == []
    with libvirt.open(uri(root)) as conn:
        conn.lookupByName("a").destroy()
    assert qemus(root) == []


def open_to_others(root: Path) -> list[str]:
    """What is not 0700 or 0600 below a root, with its mode."""
    found = []
    for path in (root, *root.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600):
            found.append(f"{path.relative_to(root)} {stat.S_IMODE(mode):o}")
    return found


def test_a_program_may_lose_its_standard_descriptors_later(root: Path) -> None:
    """Closed after the open, and written to by whoever has their numbers: a guest starts all the same."""
    code = """
conn = libvirt.open(uri(ROOT))
conn.defineXML(small("a")).create()
os.closerange(0, 3)
conn.defineXML(small("b", devices="<console type='pty'/>")).create()
for number in range(3):
    try:
        os.write(number, b"junk\\n" * 100)
    except OSError:
        pass
states = [conn.lookupByName(name).state() for name in "ab"]
for name in "ab":
    conn.lookupByName(name).suspend()
    conn.lookupByName(name).destroy()
conn.close()
say(states=states)
"""
    host = Host(root, code)
    assert [state for state, _ in host.hear()["states"]] == [libvirt.VIR_DOMAIN_RUNNING] * 2
    host.end()


DESCRIPTORS = """
import resource
conn = libvirt.open(uri(ROOT))
domain = conn.defineXML(small("a"))
secret = conn.secretDefineXML(SECRET)
secret.setValue(b"value")
domain.create()
held = []
def exhaust(left):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 60, hard))
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for _ in range(left):
            os.close(held.pop())
def release():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    while held:
        os.close(held.pop())
calls = dict(
    state=domain.state,
    suspend=domain.suspend,
    resume=domain.resume,
    define=lambda: conn.defineXML(small("b")),
    create=lambda: conn.createXML(small("c")),
    secret=lambda: secret.setValue(b"other"),
    value=secret.value,
    root=lambda: libvirt.open(uri(ROOT.parent / "other")),
    again=lambda: libvirt.open(uri(ROOT)).close(),
    subscribe=lambda: conn.root.subscribe().close(),
    callbacks=lambda: conn.domainEventRegister(lambda *about: None, None),
)
wrong, worked = [], {}
for left in range(40):
    exhaust(left)
    for name, call in calls.items():
        try:
            done = call()
            worked.setdefault(name, left)
            if name == "root":
                done.close()
            if name in ("define", "create"):
                done.destroy() if name == "create" else done.undefine()
        except libvirt.libvirtError as error:
            if error.get_error_code() is None:
                wrong.append((left, name, repr(error)))
        except BaseException as error:
            wrong.append((left, name, repr(error)))
    release()
    for name in "bc":
        code_of(lambda: conn.lookupByName(name).destroy())
        code_of(lambda: conn.lookupByName(name).undefine())
say(wrong=wrong)
conn.createXML(small("c")).destroy()
secret.setValue(b"last")
libvirt.open(uri(ROOT.parent / "other")).close()
say(state=domain.state(), value=secret.value().decode(), failed=conn.root.failed, worked=worked)
domain.destroy()
conn.close()
"""


def test_n07_a_program_without_descriptors_gets_errors_and_recovers(root: Path) -> None:
    """With none to forty left each call works or fails with a libvirtError; after the release all work."""
    host = Host(root, DESCRIPTORS)
    wrong = host.hear()["wrong"]
    assert wrong == [], wrong
    said = host.hear()
    assert said["worked"]["state"] == 0 and said["worked"]["create"] > 0
    assert (said["value"], said["failed"]) == ("last", "")
    assert said["state"][0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED)
    host.end()
    assert qemus(root.parent) == []


FORKS = """
import multiprocessing
conn = libvirt.open(uri(ROOT))
domain = conn.defineXML(small("a"))
domain.create()
def use(*ignored):
    found = []
    for call in (domain.state, domain.suspend, conn.listAllDomains, conn.close):
        try:
            call()
            found.append("no error")
        except libvirt.libvirtError as error:
            found.append(type(error).__name__)
    with libvirt.open(uri(ROOT.parent / str(os.getpid()))) as own:
        own.createXML(small("own")).destroy()
    try:
        libvirt.open(uri(ROOT))
    except libvirt.libvirtError as error:
        found.append(type(error).__name__)
    return found
def answer(end):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, json.dumps(use()).encode())
        end()
    os.close(writer)
    _, status = os.waitpid(child, 0)
    text = os.read(reader, 1000)
    os.close(reader)
    return json.loads(text), os.waitstatus_to_exitcode(status)
def leave_by_with():
    with conn:
        sys.exit(4)
forks = [answer(lambda: os._exit(0)), answer(lambda: sys.exit(4)), answer(leave_by_with)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    forks += [[each, 0] for each in pool.map(use, range(2))]
say(forks=forks)
domain.suspend()
domain.resume()
say(state=domain.state(), others=len(conn.listAllDomains()))
domain.destroy()
conn.close()
"""


def test_l14_a_program_may_fork_workers(root: Path) -> None:
    """A child's use of a handle is ForkedError, its own roots work, and no end of it disturbs the parent."""
    host = Host(root, FORKS)
    refused = ["ForkedError"] * 4 + ["RootBusy"]
    assert host.hear()["forks"] == [[refused, status] for status in (0, 4, 4, 0, 0)]
    said = host.hear()
    assert (said["state"][0], said["others"]) == (libvirt.VIR_DOMAIN_RUNNING, 1)
    host.end()


def test_a_forked_child_that_outlives_its_parent_holds_nothing(root: Path) -> None:
    """After SIGKILL of the parent its root is free at once, and its guest answers the next owner."""
    code = """
conn = libvirt.open(uri(ROOT))
conn.defineXML(small("a")).create()
child = os.fork()
if child:
    say(child=child, guest=pid_of(ROOT, "a"))
signal.pause()
"""
    host = Host(root, code)
    said = host.hear()
    host.process.kill()
    host.process.wait()
    child = psutil.Process(said["child"])
    try:
        begun = time.monotonic()
        with libvirt.open(uri(root)) as conn:
            assert time.monotonic() - begun < SECONDS / 2  # nobody waits for the child
            domain = conn.lookupByName("a")
            assert pid_of(root, "a") == said["guest"]
            domain.suspend()
            assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
            domain.destroy()
        assert child.is_running()
    finally:
        child.kill()
        child.wait()
        host.kill()


ENDS = {
    "returns": "",
    "calls sys.exit": "sys.exit(0)",
    "calls sys.exit in a thread's company": """
def call():
    while True:
        code_of(domain.suspend)
        code_of(domain.resume)
threading.Thread(target=call, daemon=True).start()
sys.exit(0)
""",
    "calls os._exit": "os._exit(0)",
    "collects garbage last": "import gc; del conn, domain; gc.collect()",
}


@pytest.mark.parametrize("way", ENDS)
def test_e10_a_program_may_end_without_closing_its_root(root: Path, way: str) -> None:
    """It is gone soon, silently; its guest runs on, the lock is free, the next process has both."""
    code = """
conn = libvirt.open(uri(ROOT))
conn.domainEventRegister(lambda *about: None, None)
domain = conn.defineXML(small("a"))
domain.create()
watched = conn.root.subscribe()
say(guest=pid_of(ROOT, "a"))
"""
    host = Host(root, code + ENDS[way])
    guest = host.hear()["guest"]
    errors = host.end()
    assert errors == ""
    assert psutil.pid_exists(guest)
    with libvirt.open(uri(root)) as conn:
        assert pid_of(root, "a") == guest
        domain = conn.lookupByName("a")
        if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
            domain.suspend()
        domain.resume()
        domain.destroy()


WAYS = {"killed": "signal.pause()", "closed": "sys.stdin.readline(); conn.close()"}
"""What it does at last, for one that is killed and one that closes its root."""


@pytest.mark.parametrize("way", WAYS)
def test_e07_a_guest_ticks_on_without_its_program(root: Path, way: str) -> None:
    """And with a new one: same QEMU, no gap in what the Linux guest counts, and it powers off."""
    ensure()
    host = Host(
        root,
        """
from guest.image import READY
conn = libvirt.open(uri(ROOT))
domain = conn.defineXML(linux("counter"))
domain.create()
console = Console(ROOT, "counter")
console.until(READY)
console.tick(1)
say(guest=pid_of(ROOT, "counter"))
"""
        + WAYS[way],
    )
    guest, console = host.hear()["guest"], Console(root, "counter")
    if way == "closed":
        host.line()
        assert host.end() == ""
    else:
        host.kill()
    console.tick(1)
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("counter")
        assert pid_of(root, "counter") == guest
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        ticks = console.tick(2)
        assert gapless(ticks) and len(ticks) >= 4, ticks
        assert console.text().count(READY) == 1
        with watching(conn.root) as events:
            domain.shutdown()
            events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 5)
        assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]
