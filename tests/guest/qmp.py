"""QMP spoken by hand: an emulator as a child, and a client that sees each message as it comes."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embervirt.drivers.root import sockets
from guest.domain import SECONDS

Message = dict[str, Any]


class Client:
    """A connection to a monitor, which nothing reads but the caller."""

    def __init__(self, path: Path) -> None:
        self.socket = sockets.connect(path)  # whose name may be longer than a socket's may be
        self.socket.settimeout(SECONDS)
        self._buffer = bytearray()

    def say(self, request: object, *, end: bytes = b"\n") -> None:
        """Bytes are sent as they are."""
        data = request if isinstance(request, bytes) else json.dumps(request).encode() + end
        self.socket.sendall(data)

    def line(self) -> bytes | None:
        """The next line; None at the end of the connection."""
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def hear(self) -> Message | None:
        """The next message, without its timestamp; None at the end of the connection."""
        line = self.line()
        if line is None:
            return None
        message: Message = json.loads(line)
        if "event" in message:
            stamp = message.pop("timestamp")
            assert set(stamp) == {"seconds", "microseconds"}
        return message

    def rest(self) -> list[Message]:
        """All that comes until the end of the connection."""
        return list(iter(self.hear, None))

    def ask(self, command: str, **arguments: Any) -> list[Message]:
        """The events that come before the reply, and the reply, whose id is that of the request."""
        request = {"execute": command, "id": "it"}
        self.say(request | {"arguments": arguments} if arguments else request)
        heard: list[Message] = []
        while not heard or "event" in heard[-1]:
            message = self.hear()
            assert message is not None, f"{command} ended the connection after {heard}"
            heard.append(message)
        assert heard[-1].pop("id") == "it"
        return heard

    def value(self, command: str, **arguments: Any) -> Any:
        """What a command returns."""
        return self.ask(command, **arguments)[-1]["return"]

    def negotiate(self) -> Client:
        """Past the greeting."""
        greeting = self.hear()
        assert greeting is not None and "QMP" in greeting
        assert self.ask("qmp_capabilities") == [{"return": {}}]
        return self

    def is_silent(self) -> bool:
        """Nothing has come so far."""
        return not self._buffer and not select.select([self.socket], [], [], 0)[0]

    def close(self) -> None:
        """Once."""
        self.socket.close()


class Emulator:
    """An emulator without a guest, stopped, as a child; its monitor listens at ``path``."""

    def __init__(self, binary: Path, directory: Path, *options: str) -> None:
        self.path = directory / "monitor.sock"
        self.output = directory / "output"
        argv = [str(binary), "-name", "guest=a,debug-threads=on", "-S", "-nodefaults", "-no-user-config"]
        argv += ["-display", "none", "-machine", "q35,accel=tcg", "-m", "32", *options]
        with socket.socket(socket.AF_UNIX) as bound, self.output.open("wb") as output:
            bound.bind(str(self.path))
            bound.listen(1)
            self._clients, self._taken = [Client(self.path)], 0  # QEMU waits for it
            argv += ["-chardev", f"socket,id=charmonitor,fd={bound.fileno()},server=on,wait=on"]
            argv += ["-mon", "chardev=charmonitor,id=monitor,mode=control"]
            self.child = subprocess.Popen(argv, pass_fds=[bound.fileno()], stdout=output, stderr=output)

    def client(self) -> Client:
        """The connection that was there first, then a new one each time; they are closed at the end."""
        if self._taken == len(self._clients):
            self._clients.append(Client(self.path))
        self._taken += 1
        return self._clients[-1]

    def signal(self, number: int) -> None:
        """To the child, which has not been waited for."""
        os.kill(self.child.pid, number)

    def status(self) -> int:
        """Waits for its end: the exit status, or minus a signal's number."""
        return self.child.wait(SECONDS)

    def end(self) -> None:
        """Kills it."""
        for client in self._clients:
            client.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait()


@contextmanager
def emulators(directory: Path) -> Iterator[Callable[..., Emulator]]:
    """Makes one of a binary and more arguments, each in a directory of its own; all are gone at the end."""
    made: list[Emulator] = []

    def make(binary: Path, *options: str) -> Emulator:
        own = directory / str(len(made))
        own.mkdir()
        made.append(Emulator(binary, own, *options))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.end()
