"""Where the 32-byte key comes from that protects a root's secrets: a private file, or the host program."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embervirt.drivers.root import files
from embervirt.drivers.secret.errors import KeyUnavailable
from embervirt.errors import InvalidArgument

KEY_SIZE = 32
"""Bytes: AES-256."""


class KeySource(Protocol):
    """Gives the same key each time it is asked."""

    def key(self, *, create: bool) -> bytes:
        """32 bytes. ``create``: nothing is protected yet, a new key will do. Raises KeyUnavailable."""


@dataclass(frozen=True)
class KeyFile:
    """A file with exactly the 32 bytes, readable by its owner alone; a systemd credential is one.

    systemd lends credentials to a service's user by an ACL, which shows as read permission of root's group:
    that is accepted too.
    """

    path: Path

    def key(self, *, create: bool) -> bytes:
        """The content; a missing file is made with a random key when ``create`` allows it.

        Never in the place of one that somebody made meanwhile, for that protects values already.
        """
        try:
            if create and not self.path.exists():
                files.make_directories([self.path.parent])
                files.write_new(self.path, secrets.token_bytes(KEY_SIZE))
            return self._read()
        except OSError as error:
            reason = f"key file '{self.path}' cannot be read: {error.strerror}"
            if error.errno == errno.ENOENT:
                reason += "; without it the values of this root's secrets cannot be read"
            raise KeyUnavailable(reason) from error

    def _read(self) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._check(os.fstat(descriptor))
            return os.read(descriptor, KEY_SIZE)
        finally:
            os.close(descriptor)

    def _check(self, found: os.stat_result) -> None:
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            raise KeyUnavailable(f"key file '{self.path}' is not a regular file")
        if found.st_uid not in (0, os.geteuid()):
            owner = f"user {found.st_uid}, expected {os.geteuid()}"
            raise KeyUnavailable(f"key file '{self.path}' belongs to {owner}")
        if mode & 0o037 or (mode & 0o040 and (found.st_uid, found.st_gid) != (0, 0)):
            raise KeyUnavailable(f"key file '{self.path}' has mode {mode:04o}: expected 0600 or 0400")
        if found.st_size != KEY_SIZE:
            raise KeyUnavailable(f"key file '{self.path}' has {found.st_size} bytes: expected {KEY_SIZE}")


@dataclass(frozen=True)
class KeyCallable:
    """A function of the host program that gives the 32 bytes."""

    provider: Callable[[], bytes]

    def key(self, *, create: bool) -> bytes:
        """What the function gives. Whatever it raises becomes the cause of KeyUnavailable."""
        try:
            key = self.provider()
        except Exception as error:  # foreign code: its failure is not ours
            raise KeyUnavailable(f"the host program's key provider raised {type(error).__name__}") from error
        if not isinstance(key, bytes) or len(key) != KEY_SIZE:
            what = f"{len(key)} bytes" if isinstance(key, bytes) else f"a {type(key).__name__}"
            raise KeyUnavailable(f"the host program's key provider gave {what}: expected {KEY_SIZE} bytes")
        return key


def key_source(provider: Callable[[], bytes] | str | Path) -> KeySource:
    """From what users give: the path of a key file, or a callable of 32 bytes. Raises InvalidArgument."""
    if callable(provider):
        return KeyCallable(provider)
    if isinstance(provider, str | Path):
        return KeyFile(_path(str(provider)))
    what = f"a callable that gives {KEY_SIZE} bytes"
    raise InvalidArgument(f"a key is the path of a file or {what}, not {type(provider).__name__}")


def _path(text: str) -> Path:
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        encoded = b""
    if not encoded.startswith(b"/") or b"\0" in encoded:
        raise InvalidArgument(f"{text!r} is not the absolute path of a key file")
    return Path(text)
