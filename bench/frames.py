"""What the switch of a network without privilege passes on, against a relay that does nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.figure import Figure, milliseconds
from embervirt.drivers.network.switch.config import ENDING, Config, Port, written
from embervirt.drivers.network.switch.frames import packed

FRAMES, WINDOW, SIZE = 20_000, 8, 1514
"""Bytes of a frame; so many are on their way at once, fewer than a socket holds by default."""

UUID = "1b9f0d27-0000-4000-8000-000000000001"
RELAY = """
import socket, sys
near = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
near.bind(sys.argv[1])
print("ready", flush=True)
while True:
    near.sendto(near.recv(1 << 17), sys.argv[2])
"""


def figures(directory: Path) -> Iterator[Figure]:
    """Frames a second, the median of what each passes on."""
    folder = directory / "frames"
    folder.mkdir()
    ports = [Port(f"p{n}", UUID, f"52:54:00:00:01:{n:02x}", f"{n}.near", f"{n}.far") for n in range(2)]
    with _bound(folder / ports[0].far) as sender, _bound(folder / ports[1].far) as receiver:
        ours, floor = [], []
        for _ in range(3):
            with _switch(folder, ports):
                ours.append(_passed(sender, receiver, folder / ports[0].near, ports))
            with _relay(folder, ports):
                floor.append(_passed(sender, receiver, folder / ports[0].near, ports))
    best, bare = sorted(ours)[1], sorted(floor)[1]
    what = "thousands of frames a second, switch / bare relay"
    yield Figure(what, f"{best / 1000:.1f}", f"{bare / 1000:.1f}", f"{best / bare:.2f} x")


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(path))
        made.settimeout(10)
        yield made


@contextmanager
def _switch(folder: Path, ports: list[Port]) -> Iterator[None]:
    for port in ports:
        (folder / f"{port.id}{ENDING}").write_bytes(msgspec.json.encode(port))
    leases, config = str(folder / "leases"), folder / "config"
    config.write_bytes(written(Config("bench", "52:54:00:00:00:01", leases, str(folder), UUID)))
    module = ["-m", "embervirt.drivers.network.switch", str(config), str(folder / "log")]
    process = subprocess.Popen([sys.executable, *module], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.read() == b""  # its end: the sockets are there
        yield
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def _relay(folder: Path, ports: list[Port]) -> Iterator[None]:
    near, far = folder / ports[0].near, folder / ports[1].far
    near.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-c", RELAY, str(near), str(far)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


def _passed(sender: socket.socket, receiver: socket.socket, near: Path, ports: list[Port]) -> float:
    """Frames a second, from one socket to the other."""
    frame = (packed(ports[1].mac) + packed(ports[0].mac) + b"\x88\xb5").ljust(SIZE, b"\0")

    def pass_all() -> None:
        for _ in range(FRAMES // WINDOW):
            for _ in range(WINDOW):
                sender.sendto(frame, str(near))
            for _ in range(WINDOW):
                assert len(receiver.recv(1 << 17)) == SIZE

    return FRAMES * 1000 / milliseconds(pass_all)
