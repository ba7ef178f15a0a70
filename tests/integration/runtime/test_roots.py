"""A directory is one root however it is spelled and whoever opens it, and opening it leaks nothing."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import embervirt as libvirt
from counted import no_more_than, open_and_running
from embervirt.runtime import open_roots
from guest.domain import SECRET, pid_of, qemus, small, uri, watching
from guest.host import Host

# One directory, one root.


def spellings(root: Path) -> list[str]:
    """Of the same directory, as they stand in a URI."""
    link = root.with_name("link")
    link.symlink_to(root)
    return [
        str(root),
        f"{root}/",
        f"{root}//",
        f"/{root}/./",
        str(root).replace("/", "//"),
        f"{root}/../{root.name}",
        f"{root}/etc/..",
        str(link),
        f"{link}/etc/qemu/../..",
        str(root).replace("/", "%2F"),
        "".join(f"%{byte:02x}" for byte in os.fsencode(root)),
    ]


def test_k02_every_spelling_of_a_directory_is_one_root(root: Path) -> None:
    """They share one runtime, and each sees what was defined by another's name."""
    with ExitStack() as stack:
        first = stack.enter_context(libvirt.open(uri(root)))
        first.defineXML(small("a"))
        for spelling in spellings(root):
            other = stack.enter_context(libvirt.open(f"qemu:///embed?root={spelling}"))
            assert other.root is first.root, spelling
            assert [domain.name() for domain in other.listAllDomains()] == ["a"]
        assert len(open_roots()) == 1
    assert open_roots() == []


def test_a_strange_name_of_a_root_is_no_obstacle(tmp_path: Path, root: Path) -> None:
    """A root whose path has commas, blanks, quotes, a newline and letters beyond ASCII boots a guest."""
    strange = tmp_path / "a,b =c'd\"%41\u00e9\n&;#?"
    quoted = "".join(f"%{byte:02x}" for byte in os.fsencode(strange))
    with libvirt.open(f"qemu:///embed?root={quoted}") as conn:
        assert conn.root.paths.path == strange
        domain = conn.createXML(small("a", devices="<console type='pty'/>"))
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        domain.destroy()


def test_roots_of_one_process_share_nothing(tmp_path: Path) -> None:
    """The same name and UUID in three roots are three domains, and the end of one root ends no other."""
    uuid = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
    connections = [libvirt.open(uri(tmp_path / name)) for name in "abc"]
    domains = [conn.defineXML(small("same", uuid=uuid)) for conn in connections]
    for domain in domains:
        domain.create()
    assert len({pid_of(tmp_path / name, "same") for name in "abc"}) == 3
    domains[0].destroy()
    connections[0].close()
    assert [domain.state()[0] for domain in domains[1:]] == [libvirt.VIR_DOMAIN_RUNNING] * 2
    assert [len(conn.listAllDomains()) for conn in connections[1:]] == [1, 1]
    for domain in domains[1:]:
        domain.destroy()
    for conn in connections[1:]:
        conn.close()


def test_a_root_path_of_200_characters_boots_a_guest(tmp_path: Path) -> None:
    """The sockets of its guests have longer paths than an address holds; a second process adopts it too."""
    root = tmp_path
    while len(str(root)) < 200:
        root /= "d" * min(200 - len(str(root)), 50)
    host = Host(root, "c = libvirt.open(uri(ROOT)); c.createXML(small('a')); say(up=1); sys.stdin.readline()")
    host.hear()
    host.kill()
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        domain.suspend()
        domain.destroy()
    assert qemus(root) == []


# Two processes.


def test_k01_a_second_process_is_told_who_has_the_root(root: Path) -> None:
    """Code 38 with the pid and the command; at once after SIGKILL of the owner it is free."""
    host = Host(root, "conn = libvirt.open(uri(ROOT, 'secret')); say(up=1); sys.stdin.readline()")
    host.hear()
    for driver in ("secret", "qemu"):
        with pytest.raises(libvirt.libvirtError, match=f"owned by process {host.process.pid} ") as refused:
            libvirt.open(uri(root, driver))
        assert refused.value.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    assert sys.executable in str(refused.value)
    assert open_roots() == []
    host.kill()
    libvirt.open(uri(root)).close()


def test_the_owner_of_a_root_is_not_disturbed_by_who_is_refused(root: Path) -> None:
    """A refused open takes no lock away, not libvirt's either."""
    with libvirt.open(uri(root)) as conn:
        for _ in range(2):
            code = f"import embervirt\nembervirt.open({uri(root)!r})"
            refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert f"owned by process {os.getpid()} " in refused.stderr
        conn.defineXML(small("a")).undefine()


# Leaks.


@pytest.mark.parametrize(("driver", "cycles"), [("secret", 700), ("qemu", 300)])
def test_opening_and_closing_leaks_nothing(root: Path, driver: str, cycles: int) -> None:
    """A thousand cycles in all: as many threads and descriptors afterwards as before, and no root is left."""
    for _ in range(3):
        libvirt.open(uri(root, driver)).close()
    before = open_and_running()
    for _ in range(cycles):
        libvirt.open(uri(root, driver)).close()
    assert no_more_than(before)
    gc.collect()
    assert open_roots() == []


def test_a_root_with_callbacks_and_guests_leaks_nothing(root: Path) -> None:
    """Subscriptions, callbacks, a guest's monitor and pidfds all end with the last close."""

    def cycle() -> None:
        with libvirt.open(uri(root)) as conn:
            conn.domainEventRegister(lambda *about: None, None)
            conn.createXML(small("a"))
            with watching(conn.root):
                conn.lookupByName("a").destroy()

    cycle()
    before = open_and_running()
    for _ in range(5):
        cycle()
    assert no_more_than(before)


def test_two_threads_may_open_and_close_the_same_root(root: Path) -> None:
    """Whatever the order, each gets a root that works, and in the end it is closed."""

    def use(number: int) -> None:
        for turn in range(20):
            with libvirt.open(uri(root, "secret" if (number + turn) % 2 else "qemu")) as conn:
                secret = conn.secretDefineXML(SECRET.replace("<name>a", f"<name>{number}"))
                secret.setValue(b"v")
                assert secret.value() == b"v"
                secret.undefine()

    before = open_and_running()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert open_roots() == []
    assert no_more_than(before)
