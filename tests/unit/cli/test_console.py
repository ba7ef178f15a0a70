"""The console on a pseudo-terminal whose other side is played by the test, as QEMU does."""

from __future__ import annotations

import os
import selectors
import termios
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest

from embervirt.cli.console import Console, pty_of
from embervirt.cli.session import Refused
from embervirt.cli.terminal import keyboard, raw, serve


@dataclass
class Bench:
    """A console with both its ends: ``qemu`` is the guest's, ``user`` types on ``keys``."""

    qemu: int
    path: str
    keys: int
    user: int
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    out: BytesIO = field(default_factory=BytesIO)
    ended: list[bool] = field(default_factory=list)

    def console(self) -> Console:
        """A new one on the pty."""
        return Console(self.path, self.selector, self.out, self.keys, self.ended.append)

    def serve_until(self, size: int) -> bytes:
        """Serve until that many bytes came out, which are the result."""
        while len(self.out.getvalue()) < size:
            serve(self.selector)
        return self.out.getvalue()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A pty for the guest and a pipe for the keyboard."""
    qemu, other = os.openpty()
    keys, user = os.pipe()
    made = Bench(qemu, os.ttyname(other), keys, user)
    os.close(other)
    yield made
    made.selector.close()
    for descriptor in (made.qemu, made.keys, made.user):
        if descriptor >= 0:
            os.close(descriptor)


def test_what_the_guest_says_comes_out_unchanged(bench: Bench) -> None:
    """Every byte value passes, and ``copied`` counts them."""
    console = bench.console()
    said = bytes(range(256))
    os.write(bench.qemu, said)
    assert bench.serve_until(256) == said
    assert console.copied == 256
    console.close()


def test_what_is_typed_reaches_the_guest_unchanged(bench: Bench) -> None:
    """Ctrl-C, Ctrl-Z, Ctrl-D and carriage return are bytes like others."""
    console = bench.console()
    os.write(bench.user, b"ls\r\x03\x1a\x04")
    serve(bench.selector)
    assert os.read(bench.qemu, 100) == b"ls\r\x03\x1a\x04"
    assert not bench.ended
    console.close()


def test_ctrl_bracket_leaves_the_console(bench: Bench) -> None:
    """What was typed before it is sent, what comes after is not, and nothing is waited for any more."""
    bench.console()
    os.write(bench.user, b"before\x1dafter")
    serve(bench.selector)
    assert os.read(bench.qemu, 100) == b"before"
    assert bench.ended == [True]
    assert not bench.selector.get_map()


def test_what_was_taken_out_is_not_called_any_more() -> None:
    """Of two descriptors that are ready at once, the first one called may take the other out."""
    called = []
    with selectors.DefaultSelector() as selector:
        both = [os.eventfd(1), os.eventfd(1)]
        for one, other in (both, reversed(both)):

            def ready(_: int, one: int = one, other: int = other) -> None:
                called.append(one)
                selector.unregister(other)

            selector.register(one, selectors.EVENT_READ, ready)
        serve(selector)
        for descriptor in both:
            os.close(descriptor)
    assert len(called) == 1


def test_a_keyboard_that_is_gone_leaves_the_console(bench: Bench) -> None:
    """A closed terminal ends the console, not the guest."""
    bench.console()
    os.close(bench.user)
    bench.user = -1
    serve(bench.selector)
    assert bench.ended == [True]


def test_the_end_of_the_guest_ends_the_console(bench: Bench) -> None:
    """When QEMU closes its side, the console says that it was not the user."""
    bench.console()
    os.close(bench.qemu)
    bench.qemu = -1
    while not bench.ended:
        serve(bench.selector)
    assert bench.ended == [False]
    assert not bench.selector.get_map()


def test_input_waits_for_a_guest_that_does_not_read(bench: Bench) -> None:
    """More than the pty holds arrives complete and in order once the guest reads."""
    console = bench.console()
    os.set_blocking(bench.user, False)
    text = b"".join(b"%06d " % number for number in range(9000))
    sent = os.write(bench.user, text)
    serve(bench.selector)
    assert bench.keys not in bench.selector.get_map(), "the keyboard must wait while the guest does not read"
    received = b""
    while bench.keys not in bench.selector.get_map():
        received += drained(bench.qemu)
        serve(bench.selector)
    assert received + drained(bench.qemu) == text[:sent]
    console.close()


def drained(descriptor: int) -> bytes:
    """All that can be read now."""
    os.set_blocking(descriptor, False)
    parts = []
    with suppress(BlockingIOError):
        while True:
            parts.append(os.read(descriptor, 65536))
    return b"".join(parts)


def test_a_console_has_one_user(bench: Bench) -> None:
    """A second one is refused, with the console's name, and can join when the first has left."""
    first = bench.console()
    with pytest.raises(Refused, match=f"console {bench.path} is in use by another process"):
        bench.console()
    first.close()
    first.close()
    bench.console().close()


XML = "<domain><devices>{}</devices></domain>"


@pytest.mark.parametrize(
    ("devices", "path"),
    [
        ("", None),
        ("<console type='pty'/>", None),
        ("<serial type='file'><source path='/a'/></serial>", None),
        ("<serial type='pty'><source path='/dev/pts/1'/></serial>", "/dev/pts/1"),
        (
            "<serial type='pty'><source path='/dev/pts/1'/></serial>"
            "<console type='pty'><source path='/dev/pts/2'/></console>",
            "/dev/pts/2",
        ),
    ],
)
def test_the_console_comes_before_the_serial_ports(devices: str, path: str | None) -> None:
    """The pty of the first console, else of the first serial port, else none."""
    assert pty_of(XML.format(devices)) == path


def test_a_definition_without_devices_has_no_console() -> None:
    """No devices, no pty."""
    assert pty_of("<domain/>") is None


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_raw_terminal_passes_every_key_on(interrupt: bool) -> None:
    """No echo, no lines, no signals but Ctrl-C where that was wanted; output is still processed."""
    controller, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    termios.tcsetattr(terminal, termios.TCSANOW, raw(before, interrupt))
    iflag, oflag, _, lflag, _, _, keys = termios.tcgetattr(terminal)
    os.close(controller)
    os.close(terminal)
    assert not iflag & (termios.ICRNL | termios.IXON)
    assert not lflag & (termios.ECHO | termios.ICANON)
    assert bool(lflag & termios.ISIG) is interrupt
    assert keys[termios.VSUSP] == keys[termios.VQUIT] == b"\0"
    assert keys[termios.VINTR] == b"\x03"
    assert oflag == before[1]
    assert oflag & termios.OPOST


def test_standard_input_that_is_no_terminal_is_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe or a file is left alone."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with keyboard(interrupt=True) as keys:
            assert keys is None


def test_the_terminal_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when what used it raised."""
    controller, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(KeyError), keyboard(interrupt=False) as keys:
            assert keys == terminal
            assert termios.tcgetattr(terminal) != before
            raise KeyError
        assert termios.tcgetattr(terminal) == before
    os.close(controller)
