"""The installed libvirt's embedded driver, in a process of its own: a lap is a create and a destroy.

So that it is not slowed unfairly: below ``tini -s`` (it reaps what its daemon would), QEMU as root, which may
open /dev/kvm when it is probed, and a running ``virtlogd``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = "/usr/bin/python3"
VIRTLOGD = Path("/run/libvirt/virtlogd-sock")
CONFIGURATION = 'user = "root"\ngroup = "root"\n'
CHILD = """
import json, sys, threading, time
import libvirt
libvirt.registerErrorHandler(lambda context, error: None, None)
libvirt.virEventRegisterDefaultImpl()
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
conn = libvirt.open("qemu:///embed?root=" + sys.argv[1])
domain = conn.defineXML(sys.argv[2])
print("ready", flush=True)
for _ in sys.stdin:
    begun = time.perf_counter()
    domain.create()
    up = time.perf_counter()
    domain.destroy()
    print(json.dumps([(up - begun) * 1000, (time.perf_counter() - up) * 1000]), flush=True)
"""


class Peer:
    """``why`` says why there is none, and is empty when there is one."""

    def __init__(self, child: subprocess.Popen[str] | None, why: str = "") -> None:
        self._child, self.why = child, why

    def lap(self) -> tuple[float, float]:
        """Milliseconds of a create and of a destroy."""
        assert self._child is not None and self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write("lap\n")
        self._child.stdin.flush()
        create, destroy = json.loads(self._child.stdout.readline())
        return create, destroy


@contextmanager
def libvirt9(root: Path, xml: str) -> Iterator[Peer]:
    """With a guest of this XML defined; one that says why not when it is not installed or does not open."""
    why = _missing()
    if why:
        yield Peer(None, why)
        return
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "qemu.conf").write_text(CONFIGURATION)
    with _virtlogd(), _child(root, xml) as child:
        ready = child.stdout is not None and child.stdout.readline() == "ready\n"
        said = "" if ready or child.stderr is None else child.stderr.read().strip().splitlines()[-1]
        yield Peer(child, said)


def _missing() -> str:
    absent = [name for name in ("tini", "virtlogd") if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    found = subprocess.run([PYTHON, "-c", "import libvirt"], capture_output=True, check=False)
    return "python3-libvirt not installed" if found.returncode else ""


@contextmanager
def _virtlogd() -> Iterator[None]:
    """The one that runs, else one for as long as this takes."""
    if VIRTLOGD.exists():
        yield
        return
    daemon = subprocess.Popen(["virtlogd"], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        daemon.terminate()
        daemon.wait()


@contextmanager
def _child(root: Path, xml: str) -> Iterator[subprocess.Popen[str]]:
    argv = ["tini", "-s", "--", PYTHON, "-c", CHILD, str(root), xml]
    pipe = subprocess.PIPE
    child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        yield child
    finally:
        child.communicate()
