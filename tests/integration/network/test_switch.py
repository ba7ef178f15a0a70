"""The process of a switch, spoken to as QEMU does: datagrams between two sockets."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from embervirt.drivers.network.switch.config import ENDING, Config, Port, written
from embervirt.drivers.network.switch.frames import packed
from guest.domain import SECONDS, wait_until

ALL = b"\xff" * 6
UUID = "1b9f0d27-0000-4000-8000-000000000001"


def port(number: int, *, isolated: bool = False, up: bool = True) -> Port:
    """A guest's."""
    mac = f"52:54:00:00:01:{number:02x}"
    return Port(f"p{number}", UUID, mac, f"{number}.near", f"{number}.far", isolated, up)


@dataclass
class Guest:
    """What QEMU has: a socket of its own, and the name of the switch's."""

    port: Port
    directory: Path
    bound: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bound.bind(str(self.directory / self.port.far))

    def send(self, receiver: bytes, text: bytes = b"") -> None:
        """A frame."""
        frame = receiver + packed(self.port.mac) + b"\x88\xb5" + text
        self.bound.sendto(frame, str(self.directory / self.port.near))

    def hear(self) -> bytes:
        """The next frame's content."""
        assert select.select([self.bound], [], [], SECONDS)[0], f"{self.port.id} hears nothing"
        return self.bound.recv(1 << 17)[14:]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Far deeper than a socket's address can say."""
    made = tmp_path.joinpath(*("a-directory-with-a-long-name" for _ in range(5)))
    made.mkdir(parents=True)
    short = Path(f"{tmp_path}/short")
    short.symlink_to(made)
    return short


def plugged(directory: Path, *ports: Port) -> None:
    """These, and no others."""
    for path in directory.glob(f"*{ENDING}"):
        path.unlink()
    for each in ports:
        (directory / f"{each.id}{ENDING}").write_bytes(msgspec.json.encode(each))


@contextmanager
def running(directory: Path, *ports: Port) -> Iterator[subprocess.Popen[str]]:
    """Ready, with these; it is asked to leave in the end, and does."""
    real = directory.resolve()
    config = Config(
        network="test",
        mac="52:54:00:00:00:01",
        leases=str(real / "leases"),
        ports=str(real),
        uuid=UUID,
        address="10.9.0.1/24",
    )
    (real / "config").write_bytes(written(config))
    plugged(directory, *ports)
    argv = [sys.executable, "-m", "embervirt.drivers.network.switch", str(real / "config"), str(real / "log")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.read() == ""
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_frames_pass_between_guests_and_stay_whole(directory: Path) -> None:
    """To one receiver once he was heard, to all else; also the largest that a card makes of segments."""
    with running(directory, port(1), port(2), port(3)):
        one, two, three = (Guest(port(number), directory) for number in (1, 2, 3))
        one.send(ALL, b"who is there")
        assert (two.hear(), three.hear()) == (b"who is there", b"who is there")
        two.send(packed(one.port.mac), b"I am")
        assert one.hear() == b"I am"
        one.send(packed(two.port.mac), large := b"x" * 65_000)
        assert two.hear() == large
        three.send(ALL, b"last")
        assert (one.hear(), two.hear()) == (b"last", b"last")


def test_ports_come_and_go_at_a_signal_and_others_do_not_notice(directory: Path) -> None:
    """The file is read again; what is gone has no socket any more."""
    with running(directory, port(1), port(2)) as process:
        one, two = (Guest(port(number), directory) for number in (1, 2))
        plugged(directory, port(1), port(3))
        three = Guest(port(3), directory)
        process.send_signal(signal.SIGHUP)
        wait_until((directory / port(3).near).exists)
        three.send(ALL, b"hello")
        assert one.hear() == b"hello"
        assert not (directory / port(2).near).exists()
        assert not select.select([two.bound], [], [], 0)[0]


def test_guests_go_on_with_the_next_process(directory: Path) -> None:
    """After a SIGKILL too: the names of the sockets are what joins them, and the guests keep theirs."""
    one, two = (Guest(port(number), directory) for number in (1, 2))
    with pytest.raises(AssertionError), running(directory, port(1), port(2)) as process:
        process.kill()
    with running(directory, port(1), port(2)):
        one.send(ALL, b"still here")
        assert two.hear() == b"still here"


def test_a_guest_that_is_not_there_costs_nobody_anything(directory: Path) -> None:
    """Frames for it are dropped, also when it has stopped reading."""
    with running(directory, port(1), port(2), port(3)):
        one, deaf = Guest(port(1), directory), Guest(port(2), directory)
        for number in range(5000):
            one.send(ALL, str(number).encode())
        three = Guest(port(3), directory)
        three.send(packed(one.port.mac), b"done")
        assert one.hear() == b"done"
        assert deaf.hear() == b"0"


def test_a_port_without_link_hears_nothing_and_is_not_heard(directory: Path) -> None:
    """Until it is up again."""
    with running(directory, port(1), port(2), port(3, up=False)) as process:
        one, two, three = (Guest(port(number), directory) for number in (1, 2, 3))
        three.send(ALL, b"not heard")
        one.send(ALL, b"heard by two")
        assert two.hear() == b"heard by two"
        assert not select.select([three.bound], [], [], 0)[0]
        plugged(directory, port(1), port(2), port(3))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: hears(three, one))


def hears(guest: Guest, other: Guest) -> bool:
    """Whether what another sends now reaches a guest."""
    other.send(ALL, b"are you there")
    return bool(select.select([guest.bound], [], [], 0.1)[0])
