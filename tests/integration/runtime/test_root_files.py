"""The files of a root in the hands of others: locked, inherited, moved away, made read-only, spoilt."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt.runtime import open_roots
from guest.domain import kill, pid_of, qemus, small, uri, wait_until
from guest.host import Host

NAMES = ("a", "b")
LOCKS = ("run/embervirt.lock", "run/qemu/driver.pid", "run/secrets/driver.pid")
"""What is no regular file in the place of one of these keeps a root from opening: nobody owns it then."""

HOLDS = """
conn = libvirt.open(uri(ROOT))
conn.defineXML(small("a")).create()
say(guest=pid_of(ROOT, "a"))
sys.stdin.readline()
for name in ("run/embervirt.lock", "run/qemu/driver.pid", "run/secrets/driver.pid"):
    with open(ROOT / name, "rb") as file:
        file.read()
    os.close(os.dup(os.open(ROOT / name, os.O_RDONLY)))
say(closed=True)
sys.stdin.readline()
"""


@pytest.fixture
def host(root: Path) -> Iterator[Host]:
    """A process that has the root open and a guest in it."""
    made = Host(root, HOLDS)
    yield made
    made.kill()


def refusal(root: Path) -> str:
    """What an open says."""
    with pytest.raises(libvirt.libvirtError) as refused:
        libvirt.open(uri(root))
    assert refused.value.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    return str(refused.value)


def test_k01_a_second_process_is_told_pid_start_time_and_command(host: Host, root: Path) -> None:
    """All that one needs to find the owner."""
    host.hear()
    owner = psutil.Process(host.process.pid)
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(owner.create_time()))
    said = refusal(root)
    for part in (f"process {owner.pid} ", f"started {began}", f"command '{sys.executable} -c"):
        assert part in said


def test_k02_spellings_share_one_root_that_is_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through a working directory; the root ends with the last of them, whichever that is."""
    root.mkdir()
    monkeypatch.chdir(root.parent)
    root.with_name("link").symlink_to(root.name)
    spellings = [str(root), f"{root}//", "/proc/self/cwd/root", f"{root.parent}/link", f"{root}/../link/."]
    with ExitStack() as stack:
        opened = [libvirt.open(f"secret:///embed?root={each}") for each in spellings]
        assert len({id(conn.root) for conn in opened}) == 1
        for left in range(len(opened) - 1, 0, -1):
            assert opened[left].close() == left
            assert len(open_roots()) == 1
        stack.callback(opened[0].close)
        opened[0].secretDefineXML("<secret/>")
    assert open_roots() == []


def test_k03_the_owner_may_close_the_lock_files_it_opened_itself(host: Host, root: Path) -> None:
    """A plain fcntl lock would be gone with that; here a second process is refused as before."""
    host.hear()
    before = refusal(root)
    host.line()
    assert host.hear()["closed"]
    assert refusal(root) == before


def holders(root: Path) -> list[int]:
    """Processes with a lock file of the root open."""
    locks = {str(root / name) for name in LOCKS}
    found = []
    for process in psutil.process_iter():
        if locks & set(opened_by(process.pid)):
            found.append(process.pid)
    return found


def opened_by(pid: int) -> Iterator[str]:
    """Files of a process; what it closes meanwhile is none, nor has one that ends meanwhile any."""
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(link.readlink())


def test_k04_k05_a_killed_agent_leaves_no_lock_in_its_guests_and_recorders(host: Host, root: Path) -> None:
    """SIGKILL: nobody else had the lock, the root opens at once, and the guest is the same process."""
    guest = host.hear()["guest"]
    assert holders(root) == [host.process.pid]
    host.kill()
    assert holders(root) == []
    family = [guest, psutil.Process(guest).ppid()]
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        wait_until(lambda: domain.isActive() == 1)
        assert pid_of(root, "a") == guest
        assert all(psutil.pid_exists(pid) for pid in family)
        domain.destroy()
    assert not psutil.pid_exists(guest)


# Another directory in its place.


def state(conn: libvirt.virConnect, actor: str) -> str:
    """Of an actor directly below the root."""
    return next(each.state for each in conn.root.tree().children if each.id == actor)


@pytest.mark.parametrize("replacement", ["nothing", "an empty directory", "a whole root", "a file"])
def test_k06_nothing_is_written_to_what_takes_the_place_of_a_root(root: Path, replacement: str) -> None:
    """Changes fail and say why, the events degrade, the guest runs; once it is back, all goes on."""
    with libvirt.open(uri(root)) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        pid = pid_of(root, "a")
        away = root.rename(root.with_name("away"))
        if replacement == "an empty directory":
            root.mkdir()
        if replacement == "a whole root":
            shutil.copytree(away, root, ignore=shutil.ignore_patterns("*.sock"))
        if replacement == "a file":
            root.write_text("")
        before = content(root)
        for change in (
            lambda: conn.defineXML(small("b")),
            lambda: conn.createXML(small("c")),
            lambda: conn.secretDefineXML("<secret/>"),
            lambda: conn.secretDefineXML("<secret/>").setValue(b"value"),
        ):
            with pytest.raises(libvirt.libvirtError):
                change()
        conn.root.crash("processes")
        wait_until(lambda: state(conn, "events") == "degraded")
        assert "events" in str(conn.root.health().degraded)
        assert content(root) == before
        assert psutil.pid_exists(pid) and domain.isActive() == 1
        shutil.rmtree(root) if root.is_dir() else root.unlink(missing_ok=True)
        away.rename(root)
        conn.defineXML(small("b"))
        wait_until(lambda: state(conn, "events") == "up")
        assert (root / "etc/qemu/b.xml").exists()
        domain.destroy()


def content(root: Path) -> dict[str, tuple[int, int] | None]:
    """What is below a directory: sizes and times of change; of a file, its own."""
    found = {str(path): path.lstat() for path in ([root, *root.rglob("*")] if root.exists() else [])}
    return {name: (each.st_size, each.st_mtime_ns) for name, each in found.items()}


READ_ONLY = """
assert ctypes.CDLL(None, use_errno=True).unshare(0x20000) == 0  # CLONE_NEWNS
def mount(*options):
    subprocess.run(["mount", *options], check=True)
mount("--make-rprivate", "/")
conn = libvirt.open(uri(ROOT))
domain = conn.defineXML(small("a"))
domain.create()
mount("--bind", str(ROOT), str(ROOT))
mount("-o", "remount,bind,ro", str(ROOT))
codes = [code_of(lambda: conn.defineXML(small("b"))), code_of(lambda: conn.secretDefineXML("<secret/>"))]
say(codes=codes, names=[each.name() for each in conn.listAllDomains()], active=domain.isActive())
subprocess.run(["umount", str(ROOT)], check=True)
conn.defineXML(small("b"))
domain.destroy()
say(names=sorted(each.name() for each in conn.listAllDomains()))
conn.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_k06_a_root_that_becomes_read_only_goes_on_for_readers(root: Path) -> None:
    """Changes fail with the system's own reason; guests run; all works again when it may be written."""
    host = Host(root, "import ctypes, subprocess\n" + READ_ONLY)
    said = host.hear()
    assert set(said["codes"]) == {libvirt.VIR_ERR_SYSTEM_ERROR}
    assert (said["names"], said["active"]) == (["a"], 1)
    assert host.hear()["names"] == ["a", "b"]
    host.end()
    assert qemus(root) == []
    assert ctypes.sizeof(ctypes.c_int) == 4


# Garbage.


def fifo(path: Path) -> None:
    """That nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    """To a file that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    """Sparse, and larger than any of ours."""
    with path.open("r+b") as file:
        file.truncate(1 << 34)


def folder(path: Path) -> None:
    """With something in it."""
    path.unlink()
    (path / "x").mkdir(parents=True)


def strange(path: Path) -> None:
    """Another user's."""
    os.chown(path, 12345, 12345)


SPOILT: dict[str, Callable[[Path], object]] = {
    "random": lambda path: path.write_bytes(b"\0\xff\x80<a" + bytes(range(256)) * 3),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "huge": huge,
    "a FIFO": fifo,
    "a link": link,
    "a directory": folder,
    "a stranger's": strange,
}

KEYS = ("etc/secrets/master.key", "etc/secrets/data.key")
"""Files without which no value of a secret can be read; the secrets themselves are there."""

BOUND = 60.0
"""Seconds for an open and a look round; some of these make QEMU be asked anew what it can do."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with two domains and two secrets, one of each kind of file in it, closed."""
    root = tmp_path_factory.mktemp("template") / "root"
    with libvirt.open(uri(root)) as conn:
        for name in NAMES:
            conn.defineXML(small(name)).create()
            conn.lookupByName(name).destroy()
            xml = f"<secret><usage type='ceph'><name>{name}</name></usage></secret>"
            conn.secretDefineXML(xml).setValue(b"value")
    return root


@pytest.mark.parametrize("how", SPOILT)
def test_k12_garbage_in_place_of_any_file_costs_its_object_only(
    template: Path, tmp_path: Path, how: str
) -> None:
    """The open takes bounded time; what does not need that file is there, and new things can be made."""
    if how == "a stranger's" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    files = sorted(str(path.relative_to(template)) for path in template.rglob("*") if path.is_file())
    assert len(files) > 12
    for number, name in enumerate(files):
        root = tmp_path / f"r{number}"
        shutil.copytree(template, root)
        SPOILT[how](root / name)
        began = time.monotonic()
        try:
            with libvirt.open(uri(root)) as conn:
                looks_sound(conn, name)
        except libvirt.libvirtError as error:
            assert name in LOCKS, f"{name}: {error}"
            assert str(root / name) in str(error), error
        assert time.monotonic() - began < BOUND, name
        shutil.rmtree(root)


def looks_sound(conn: libvirt.virConnect, spoilt: str) -> None:
    """All but what the spoilt file held, which is set aside and named; and there is room for more."""
    domains = sorted(each.name() for each in conn.listAllDomains())
    secrets = sorted(each.usageID() for each in conn.listAllSecrets())
    assert set(NAMES) - set(domains) == ({Path(spoilt).stem} if spoilt.startswith("etc/qemu/") else set())
    assert len(secrets) == (1 if spoilt.startswith("etc/secrets/") and spoilt.endswith(".xml") else 2), spoilt
    values = [value(conn, usage) for usage in secrets]
    if spoilt not in KEYS:
        assert values.count("value") >= 1, spoilt
    conn.defineXML(small("new"))
    conn.secretDefineXML("<secret><usage type='ceph'><name>new</name></usage></secret>")
    assert conn.root.failed == ""


def value(conn: libvirt.virConnect, usage: str) -> str:
    """Of a secret, or the reason why it cannot be read."""
    try:
        return conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_CEPH, usage).value().decode()
    except libvirt.libvirtError as error:
        return str(error)


def test_k12_garbage_in_place_of_the_settings_is_told_as_such(template: Path, tmp_path: Path) -> None:
    """Nothing is guessed: the open fails at once and names the file, and works when the file is gone."""
    root = tmp_path / "root"
    shutil.copytree(template, root)
    for how, spoil in SPOILT.items():
        if how == "empty" or (how == "a stranger's" and os.geteuid() != 0):
            continue
        file = root / "etc/embervirt.toml"
        file.write_text("[calls]\ndeadline = 20.0\n[ev")
        spoil(file)
        began = time.monotonic()
        with pytest.raises(libvirt.libvirtError, match=r"embervirt\.toml"):
            libvirt.open(uri(root))
        assert time.monotonic() - began < BOUND, how
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    with libvirt.open(uri(root)) as conn:
        assert len(conn.listAllDomains()) == 2


def test_a_program_may_be_run_from_a_root(root: Path) -> None:
    """Whoever stands in the directory, or has files of it open, is no owner."""
    root.mkdir()
    with subprocess.Popen(["cat"], cwd=root, stdin=subprocess.PIPE) as child:
        libvirt.open(uri(root)).close()
        assert child.poll() is None
        assert child.stdin is not None
        child.stdin.close()
    for pid in qemus(root):
        kill(pid)
