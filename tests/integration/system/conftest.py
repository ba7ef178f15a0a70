"""A libvirtd of a test's own, in mounts, processes and a network that end with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt
from guest.domain import has_ended, kill, qemus, uri, wait_until
from guest.namespace import Namespace, entered, told
from integration.network.conftest import PROMPT

SCRIPT = """
set -e
for each in /run /var/cache/libvirt /var/log/libvirt; do mkdir -p $each; mount -t tmpfs own $each; done
mkdir -p /var/lib/libvirt /etc/libvirt
mount --bind {own}/lib /var/lib/libvirt
mount --bind {own}/etc /etc/libvirt
export LIBVIRT_DRIVER_DIR={own}/drivers
while read _; do libvirtd -f {own}/libvirtd.conf & done
"""
"""A libvirtd for each line that it reads; it is the first of its processes, so none of them outlives it."""

MODULES = ("network", "secret", "storage")
"""What it serves: libvirt's QEMU driver would want a user of its own."""

CONF = """
unix_sock_dir = "{own}/sock"
auth_unix_rw = "none"
log_outputs = "3:file:{own}/log"
"""


@dataclass(frozen=True)
class Daemon:
    """libvirtd, as ``network`` and the root that is opened in it see it; ``theirs`` is libvirt-python."""

    namespace: Namespace
    folder: Path
    holder: subprocess.Popen[str]
    theirs: Any

    def uri(self, driver: str) -> str:
        """Of one of its drivers."""
        return f"{driver}+unix:///system?socket={self.folder}/sock/libvirt-sock"

    def start(self) -> None:
        """It answers when this returns."""
        assert self.holder.stdin is not None
        self.holder.stdin.write("\n")
        self.holder.stdin.flush()
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            self.theirs.open(self.uri("network")).close()
        except self.theirs.libvirtError:
            return False
        return True

    def signal(self, number: int) -> None:
        """To libvirtd itself; one that is killed has ended when this returns."""
        found = self._process()
        found.send_signal(number)
        if number == signal.SIGKILL:
            wait_until(lambda: has_ended(found))

    def _process(self) -> psutil.Process:
        """It has children, which go by its name until they execute something else."""
        inside = psutil.Process(self.holder.pid).children(recursive=True)
        named = [each for each in inside if told(each.name, "") == "libvirtd" and not has_ended(each)]
        [found] = [each for each in named if told(each.ppid, 0) not in {other.pid for other in named}]
        return found

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It answers nobody meanwhile."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    @contextmanager
    def open(self, driver: str) -> Iterator[Any]:
        """A connection of libvirt-python's, as any program has."""
        conn = self.theirs.open(self.uri(driver))
        try:
            yield conn
        finally:
            conn.close()


def _module(driver: str) -> Path | None:
    found = Path("/usr").glob(f"lib*/**/libvirt/connection-driver/libvirt_driver_{driver}.so")
    return next(found, None)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """It runs. Skipped, with the reason, where it cannot."""
    theirs = pytest.importorskip("libvirt", reason="libvirt-python is not installed (extra libvirt)")
    if os.geteuid():
        pytest.skip("a libvirtd of a test's own needs root")
    modules = [_module(each) for each in MODULES] if shutil.which("libvirtd") else []
    if not modules or None in modules:
        pytest.skip(f"libvirtd with its drivers for {', '.join(MODULES)} is not installed")
    theirs.registerErrorHandler(lambda *_: None, None)
    own = tmp_path / "libvirtd"
    for each in ("sock", "etc", "lib", "drivers"):
        (own / each).mkdir(parents=True)
    for module in filter(None, modules):
        (own / "drivers" / module.name).symlink_to(module)
    (own / "libvirtd.conf").write_text(CONF.format(own=own))
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]
    with entered() as namespace:
        script = SCRIPT.format(own=own)
        with subprocess.Popen([*argv, script], stdin=subprocess.PIPE, text=True) as holder:
            try:
                made = Daemon(namespace, own, holder, theirs)
                made.start()
                yield made
            finally:
                inside = psutil.Process(holder.pid).children(recursive=True)
                holder.kill()
                psutil.wait_procs(inside, 30)


Opened = Callable[..., Any]


@pytest.fixture
def root(daemon: Daemon, tmp_path: Path) -> Iterator[Opened]:
    """``root(**settings)`` opens a root whose drivers, all but QEMU, are the daemon's."""
    path = tmp_path / "root"
    made: list[embervirt.virConnect] = []

    def opened(driver: str = "qemu", **more: Any) -> embervirt.virConnect:
        settings = PROMPT | {f"qemu.{each}_uri": daemon.uri(each) for each in MODULES} | more
        made.append(embervirt.open(uri(path, driver), settings=settings))
        return made[-1]

    try:
        yield opened
    finally:
        for each in qemus(path):
            kill(each)
        for conn in made:
            conn.close()
