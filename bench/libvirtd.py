"""The installed libvirtd with its drivers, alone in namespaces of its own: laps of a child that asks it.

It gets empty directories where its own are, so it knows nothing of the host's objects and changes nothing of
them; it ends with the process that asks it, and that one with its standard input.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peer import PYTHON

NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
SCRIPT = """
set -e
for each in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
  mount -t tmpfs none $each
done
printf 'unix_sock_dir="%s"\\nauth_unix_rw="none"\\n' "$1" >/run/libvirtd.conf
libvirtd -d -f /run/libvirtd.conf -p /run/libvirtd.pid >&2
exec "$2" -c "$3" "$1"
"""
FOLDER = """
import json, sys, time
import libvirt
conn = libvirt.open(f"storage+unix:///system?socket={sys.argv[1]}/libvirt-sock")
print("ready", flush=True)
for line in sys.stdin:
    xml = f"<pool type='dir'><name>bench</name><target><path>{line.strip()}</path></target></pool>"
    begun = time.perf_counter()
    pool = conn.storagePoolCreateXML(xml)
    first = time.perf_counter()
    pool.refresh()
    again = time.perf_counter()
    pool.destroy()
    print(json.dumps([(first - begun) * 1000, (again - first) * 1000]), flush=True)
"""
"""A line is a folder; a lap the start of a pool there, which looks at all, and a refresh."""

NETWORK = """
import json, sys, time
import libvirt
conn = libvirt.open(f"network+unix:///system?socket={sys.argv[1]}/libvirt-sock")
print("ready", flush=True)
network = conn.networkDefineXML(sys.stdin.readline())
for line in sys.stdin:
    begun = time.perf_counter()
    network.create()
    up = time.perf_counter()
    network.destroy()
    print(json.dumps([(up - begun) * 1000, (time.perf_counter() - up) * 1000]), flush=True)
"""
"""The first line is a network's XML; then a lap is its start and its stop."""


class Libvirtd:
    """``why`` says why there is none, and is empty when there is one."""

    def __init__(self, child: subprocess.Popen[str] | None, why: str = "") -> None:
        self._child, self.why = child, why

    def say(self, line: object) -> None:
        """To the child."""
        assert self._child is not None and self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def lap(self, line: object = "") -> tuple[float, float]:
        """Milliseconds of the two steps of a lap."""
        self.say(line)
        assert self._child is not None and self._child.stdout is not None
        first, second = json.loads(self._child.stdout.readline())
        return first, second


@contextmanager
def libvirtd(directory: Path, laps: str) -> Iterator[Libvirtd]:
    """With a child of these ``laps``; one that says why not when it is not installed, or does not start."""
    why = _missing()
    if why:
        yield Libvirtd(None, why)
        return
    sockets, pipe = directory / "libvirtd", subprocess.PIPE
    sockets.mkdir()
    argv = [*NAMESPACES, "sh", "-c", SCRIPT, "sh", str(sockets), PYTHON, laps]
    child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        ready = child.stdout is not None and child.stdout.readline() == "ready\n"
        said = "" if ready or child.stderr is None else child.stderr.read().strip().splitlines()[-1]
        yield Libvirtd(child, said)
    finally:
        child.communicate()
        shutil.rmtree(sockets)


def _missing() -> str:
    absent = [name for name in ("unshare", "libvirtd") if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    found = subprocess.run([PYTHON, "-c", "import libvirt"], capture_output=True, check=False)
    return "python3-libvirt not installed" if found.returncode else ""
