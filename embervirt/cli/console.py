"""A guest's console: its pty joined to this terminal, and the command ``console``."""

from __future__ import annotations

import fcntl
import os
import selectors
import sys
import tty
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO

import click

from embervirt.cli.domains import domain_argument
from embervirt.cli.session import Refused, Session, command, pass_session
from embervirt.cli.terminal import keyboard, serve

ESCAPE = b"\x1d"
"""Ctrl-], as in virsh and telnet."""

CHUNK = 65536


def pty_of(xml: str) -> str | None:
    """The path of the pty that a running domain's XML gives for its console, or its first serial port."""
    from lxml import etree

    devices = etree.fromstring(xml).find("devices")
    for kind in ("console", "serial"):
        for source in [] if devices is None else devices.iterfind(f"{kind}[@type='pty']/source[@path]"):
            return str(source.get("path"))
    return None


class Console:
    """The open pty: what the guest says goes to ``out``, what ``keys`` gives goes to the guest.

    Its descriptors wait in ``selector``, each with the function to call when ready. When the guest's side
    is gone or Ctrl-] was typed it takes them out, and calls ``on_end`` with whether it was the key.
    """

    def __init__(
        self,
        path: str,
        selector: selectors.BaseSelector,
        out: BinaryIO,
        keys: int | None,
        on_end: Callable[[bool], None],
    ) -> None:
        self._pty = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector, self._out, self._keys, self._on_end = selector, out, keys, on_end
        self._typed = b""
        self.copied = 0
        _lock(self._pty, path)
        tty.setraw(self._pty)
        selector.register(self._pty, selectors.EVENT_READ, self._ready)
        if keys is not None:
            selector.register(keys, selectors.EVENT_READ, self._key)

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send()
        if mask & selectors.EVENT_READ and not self._receive():
            self._end(False)

    def _receive(self) -> bool:
        """False when QEMU has closed its side."""
        try:
            said = os.read(self._pty, CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # EIO: it hung up
            return False
        self._out.write(said)
        self._out.flush()
        self.copied += len(said)
        return bool(said)

    def _key(self, _: int) -> None:
        assert self._keys is not None
        typed, escape, _rest = _read(self._keys).partition(ESCAPE)
        self._typed += typed
        self._send()
        if escape:
            self._end(True)

    def _send(self) -> None:
        """What the guest does not take now waits, and so does the keyboard."""
        try:
            self._typed = self._typed[os.write(self._pty, self._typed) :] if self._typed else b""
        except BlockingIOError:
            pass
        except OSError:  # EIO: it hung up, which the next read tells
            self._typed = b""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._typed else 0)
        self._selector.modify(self._pty, wanted, self._ready)
        self._listen(not self._typed)

    def _listen(self, wanted: bool) -> None:
        if self._keys is None or (self._keys in self._selector.get_map()) == wanted:
            return
        if wanted:
            self._selector.register(self._keys, selectors.EVENT_READ, self._key)
        else:
            self._selector.unregister(self._keys)

    def _end(self, by_key: bool) -> None:
        self.close()
        self._on_end(by_key)

    def close(self) -> None:
        """Let go of the pty and of the keyboard. More than once is fine."""
        if self._pty >= 0:
            self._listen(False)
            self._selector.unregister(self._pty)
            os.close(self._pty)
            self._pty = -1


def _read(keys: int) -> bytes:
    """What was typed; a terminal that is gone counts as Ctrl-]."""
    try:
        return os.read(keys, CHUNK) or ESCAPE
    except OSError:
        return ESCAPE


def _lock(pty: int, path: str) -> None:
    """Two readers of one pty would each get half of the text."""
    try:
        fcntl.flock(pty, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(pty)
        raise Refused(f"console {path} is in use by another process") from None


@command()
@domain_argument
@pass_session
def console(session: Session, domain: str) -> None:
    """Join this terminal to a domain's console; Ctrl-] leaves it, all other keys are the guest's.

    The root is free meanwhile: other commands can be given from another terminal, and one of them must be
    when the guest has powered off, for nobody else sees that it did.
    """
    with session.domain(domain) as found:
        name, path = found.name(), pty_of(found.XMLDesc()) if found.isActive() else None
    if path is None:
        raise Refused(f"domain '{name}' does not run, or has no console of type pty")
    with selectors.DefaultSelector() as selector, keyboard(interrupt=False) as keys:
        ended: list[bool] = []
        with closing(Console(path, selector, sys.stdout.buffer, keys, ended.append)):
            click.echo(f"Connected to domain '{name}'; Ctrl-] leaves", err=True)
            while not ended:
                serve(selector)


COMMANDS = [console]
