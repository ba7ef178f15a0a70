"""The process of a switch: its sockets and its loop. It is told nothing but by its file and by signals."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from embervirt.drivers.network.switch import config as configs
from embervirt.drivers.network.switch.config import Config, Port
from embervirt.drivers.network.switch.dhcp import parsed, rendered
from embervirt.drivers.network.switch.fabric import OWN, Fabric
from embervirt.drivers.network.switch.frames import packed
from embervirt.drivers.network.switch.host import Host

FRAME = 1 << 17
"""Bytes of the largest datagram that is taken: QEMU's largest frame is less."""

BURST = 64
"""Frames that are taken from one port before the others have their turn."""

NOBODY = {errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE, errno.EPERM}
"""A frame is dropped, as on a wire: nobody listens (yet), or too slowly."""


class Switch:
    """Bound sockets by port, and the host of the network."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._config = configs.read(path)
        self._directory = os.open(self._config.ports, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._fabric = Fabric(packed(self._config.mac))
        self._sockets: dict[str, socket.socket] = {}
        self._ports: dict[str, Port] = {}
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, str] = {}
        self._leases = Path(self._config.leases)
        text = self._leases.read_text() if self._leases.exists() else ""
        self._host = Host(self._config, parsed(text)) if self._config.address else None
        self._use(self._config)

    def reload(self) -> None:
        """Read the file again: ports come and go, what is leased stays."""
        self._use(configs.read(self._path))

    def run(self, wake: int) -> None:
        """For ever: frames, and bytes of signals that come out of ``wake``. Returns at SIGTERM."""
        self._epoll.register(wake, select.EPOLLIN)
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor != wake:
                    self._take(self._by_descriptor.get(descriptor, OWN))
                elif not self._signalled(os.read(wake, 64)):
                    return

    def _signalled(self, numbers: bytes) -> bool:
        if signal.SIGHUP in numbers:
            self.reload()
        return signal.SIGTERM not in numbers and signal.SIGINT not in numbers

    def _use(self, config: Config) -> None:
        self._config = config
        wanted = configs.ports(config)
        for id in [id for id, port in self._ports.items() if wanted.get(id) != port]:
            self._close(id)
        for port in wanted.values():
            if port.id not in self._ports:
                self._open(port)
        self._fabric.join({port.id: port.isolated for port in wanted.values() if port.up})
        if self._host is not None:
            self._host.use(config)

    def _open(self, port: Port) -> None:
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with suppress(FileNotFoundError):
            os.unlink(port.near, dir_fd=self._directory)
        bound.bind(self._address(port.near))
        self._sockets[port.id], self._ports[port.id] = bound, port
        self._by_descriptor[bound.fileno()] = port.id
        self._epoll.register(bound, select.EPOLLIN)

    def _close(self, id: str) -> None:
        bound, port = self._sockets.pop(id), self._ports.pop(id)
        del self._by_descriptor[bound.fileno()]
        self._epoll.unregister(bound)
        bound.close()
        with suppress(FileNotFoundError):
            os.unlink(port.near, dir_fd=self._directory)

    def _address(self, name: str) -> str:
        """An address holds 107 bytes, a root's path may be longer."""
        return f"/proc/self/fd/{self._directory}/{name}"

    def _take(self, source: str) -> None:
        bound = self._sockets.get(source)
        if bound is None:  # closed by what came before it
            return
        for _ in range(BURST):
            try:
                frame = bound.recv(FRAME)
            except BlockingIOError:
                return
            self._pass_on(source, frame)

    def _pass_on(self, source: str, frame: bytes) -> None:
        for target in self._fabric.targets(source, frame):
            if target != OWN:
                self._send(target, frame)
            elif self._host is not None:
                self._answer(self._host, source, frame)

    def _answer(self, host: Host, source: str, frame: bytes) -> None:
        before = host.server.changes
        answer = host.answer(frame, int(time.time()))
        if host.server.changes != before:
            self._keep(rendered(list(host.server.leases.values())))
        if answer is not None:
            self._send(source, answer)

    def _keep(self, leases: str) -> None:
        """Written beside and renamed: nobody reads half of it. A full disk costs the file, no lease."""
        beside = self._leases.with_suffix(".new")
        try:
            beside.write_text(leases)
            beside.rename(self._leases)
        except OSError as error:
            _say(f"leases of '{self._config.network}': {error}")

    def _send(self, port: str, frame: bytes) -> None:
        bound, far = self._sockets.get(port), self._ports.get(port)
        if bound is None or far is None:
            return
        try:
            bound.sendto(frame, self._address(far.far))
        except OSError as error:
            if error.errno not in NOBODY:
                raise


def _turn_to(log: Path) -> None:
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(opened, standard)
    os.close(opened)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(path: Path, log: Path) -> None:
    """Runs until SIGTERM. It complains on its output until the sockets are there, then gives it up."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    far.setblocking(False)
    signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    switch = Switch(path)
    _turn_to(log)
    switch.run(near.fileno())
