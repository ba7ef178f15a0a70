"""Opens a root's way in for other processes, as its settings ask for it: socket file, keys, actor."""

from __future__ import annotations

import errno
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from embervirt import disk
from embervirt.actors.bus import Bus
from embervirt.actors.gateway.actor import GATEWAY_ACTOR, Gateway
from embervirt.actors.gateway.door import Door
from embervirt.config.settings import Settings
from embervirt.drivers.driver import child
from embervirt.drivers.root import files, sockets
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import ConfigUnsupported, SystemError_, libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.spec import ChildSpec

BACKLOG = 100
"""Peers that may wait to be let in."""

KEY_LENGTH = 40
"""Characters of a CURVE key in Z85."""

LARGEST = 1 << 20
"""Bytes of the files of keys."""


def open_door(paths: RootPaths, settings: Settings, bus: Bus, undo: ExitStack) -> Door | None:
    """The sockets that the settings ask for, None when they ask for none; ``undo`` closes them.

    Raises SystemError_ when one cannot be made, ConfigUnsupported for keys that are none.
    """
    chosen = settings.gateway
    if not chosen.ipc and not chosen.tcp:
        return None
    clients = Path(chosen.client_keys_file or paths.gateway_clients)
    door = Door(bus.context, chosen.max_message, lambda: _known(clients))
    undo.callback(door.close)
    if chosen.ipc:
        door.listen(_listening(paths.gateway_socket, undo))
    if chosen.tcp:
        _client_keys(clients)
        door.listen_tcp(chosen.tcp, _server_key(Path(chosen.server_key_file or paths.gateway_key)))
    return door


def gateway_spec(settings: Settings, bus: Bus, door: Door, **spec: Any) -> ChildSpec:
    """The actor that serves ``door``."""
    queue = settings.events.queue
    return child(
        settings, bus, GATEWAY_ACTOR, lambda context: Gateway(context, door, settings.gateway, queue), **spec
    )


def _listening(path: Path, undo: ExitStack) -> int:
    """A socket file that only its owner may open. One that is there is a dead process's: the root is ours."""
    files.make_directories([path.parent])
    disk.set_mode(path.parent, 0o700)
    disk.unlink(path, missing_ok=True)
    try:
        listening = sockets.listen(path, BACKLOG)
    except OSError as error:
        text = f"gateway.ipc: cannot listen at '{path}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1) from error
    undo.callback(_remove, path)
    listening.setblocking(False)
    return listening.detach()


def _remove(path: Path) -> None:
    disk.unlink(path, missing_ok=True)
    if not any(path.parent.iterdir()):
        disk.remove_directory(path.parent)


# Keys.


def _server_key(path: Path) -> str:
    """The server's secret key; made when missing, and its public half beside it."""
    if not path.exists():
        public, secret = zmq.curve_keypair()
        files.make_directories([path.parent])
        files.write(path, secret + b"\n", durable=True)
        files.write(path.with_name(path.name + ".pub"), public + b"\n", durable=True, mode=0o644)
    found = _keys(path)
    if len(found) != 1:
        raise ConfigUnsupported(f"gateway.server_key_file '{path}' has {len(found)} keys: expected one")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigUnsupported(f"gateway.server_key_file '{path}' has mode {mode:04o}: expected 0600")
    return found[0]


def _client_keys(path: Path) -> frozenset[str]:
    """Nobody when there is no such file."""
    try:
        return frozenset(_keys(path))
    except SystemError_ as error:
        if error.get_int1() != errno.ENOENT:
            raise
        return frozenset()


def _known(path: Path) -> frozenset[str]:
    """The same at a connection: a file that was spoilt since lets nobody in."""
    try:
        return _client_keys(path)
    except libvirtError as error:
        get_logger(actor=GATEWAY_ACTOR).error("nobody is let in", error=str(error))
        return frozenset()


def _keys(path: Path) -> list[str]:
    """One a line; blank lines and those that begin with # are none."""
    lines = files.read(path, limit=LARGEST).decode(errors="replace").splitlines()
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    return [_key(path, number, line) for number, line in numbered if line and not line.startswith("#")]


def _key(path: Path, number: int, line: str) -> str:
    """The message does not show the line, for it may be a secret key with one character too many."""
    try:
        valid = len(line) == KEY_LENGTH and len(z85.decode(line)) == 32
    except (KeyError, ValueError, struct.error):
        valid = False
    if not valid:
        raise ConfigUnsupported(f"{path}:{number}: expected a CURVE key, {KEY_LENGTH} characters of Z85")
    return line
