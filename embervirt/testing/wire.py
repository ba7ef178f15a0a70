"""The fake QEMU's end of its monitor: one client at a time, as QEMU has it; the others wait in the kernel."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Iterator

CHUNK = 1 << 16
_DECODER = json.JSONDecoder()


class Wire:
    """``number`` is that of a listening socket, or of a connected one, which is then the only client.

    ``link`` counts connections, ``client`` is the present one, ``waiting`` the bytes it has not yet taken.
    """

    def __init__(self, number: int, listens: bool) -> None:
        self.client: socket.socket | None = None
        self.link = 0
        self.serving = False
        self._far, self._listens = socket.socket(fileno=number), listens
        self._in, self._out = b"", bytearray()

    @property
    def path(self) -> str:
        """Of the listening socket's file."""
        return str(self._far.getsockname())

    @property
    def waiting(self) -> int:
        """Bytes."""
        return len(self._out)

    def serve(self) -> bool:
        """Clients may come from now on; True when one is there."""
        self.serving = True
        if not self._listens:
            self._take(self._far)
        return not self._listens

    def _take(self, client: socket.socket) -> None:
        client.setblocking(False)
        self.client = client
        self.link += 1

    def register(self, poller: select.poll, reads: bool) -> None:
        """What it waits for; of a client that is not to be read only the end is noticed."""
        if self.client is not None:
            poller.register(self.client, select.POLLIN * reads | select.POLLOUT * bool(self._out))
        elif self.serving and self._listens:
            poller.register(self._far, select.POLLIN)

    def accept(self) -> None:
        """The next client, who is there."""
        self._take(self._far.accept()[0])

    def receive(self) -> list[object] | None:
        """The requests that have come; None for one that is no JSON. Instead of the list None at the end."""
        data = b""
        if self.client is not None:
            with contextlib.suppress(ConnectionError):
                data = self.client.recv(CHUNK)
        if not data:
            return None
        *lines, self._in = (self._in + data).split(b"\n")
        found = [request for line in lines for request in _requests(line)]
        rest = list(_requests(self._in))
        if rest and None not in rest:  # QEMU does not wait for the end of the line either
            self._in = b""
            found += rest
        return found

    def send(self, data: bytes) -> None:
        """As much as the client takes; the rest when it takes more."""
        self._out += data
        self.flush()

    def flush(self) -> None:
        """More of what waits."""
        try:
            while self._out and self.client is not None:
                del self._out[: self.client.send(self._out[:CHUNK])]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._out.clear()

    def drop(self) -> None:
        """Cut the client off, with what waits for it."""
        if self.client is not None:
            self.client.close()
            self.client = None
            self.link += 1
        self._in = b""
        self._out.clear()

    def deafen(self) -> None:
        """Never take another one."""
        self.serving = False
        if self._listens:
            self._far.close()

    def remove(self) -> None:
        """The socket's file, at an orderly end."""
        if self.serving and self._listens:
            os.unlink(self.path)  # noqa: PTH108  to import pathlib would cost a fifth of the start


def _requests(line: bytes) -> Iterator[object]:
    text = line.decode(errors="replace").strip()
    while text:
        try:
            request, end = _DECODER.raw_decode(text)
        except ValueError:
            yield None
            return
        yield request
        text = text[end:].lstrip()
