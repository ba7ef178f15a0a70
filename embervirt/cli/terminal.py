"""The user's terminal in raw mode, and the wait for several descriptors at once."""

from __future__ import annotations

import selectors
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INPUT_OFF = termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
LOCAL_OFF = termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG
NO_KEY = b"\0"
"""_POSIX_VDISABLE: no key sends this signal."""


@contextmanager
def keyboard(*, interrupt: bool) -> Iterator[int | None]:
    """The terminal's descriptor, raw until the end of the ``with``; None when standard input is no terminal.

    Output stays as it is, so that messages are whole lines. With ``interrupt`` Ctrl-C remains SIGINT.
    """
    if not sys.stdin.isatty():
        yield None
        return
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    termios.tcsetattr(keys, termios.TCSADRAIN, raw(before, interrupt))
    try:
        yield keys
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def raw(attributes: list[Any], interrupt: bool) -> list[Any]:
    """``tcgetattr``'s list changed so that each key is passed on at once; Ctrl-C not, with ``interrupt``."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, keys = attributes
    single = {termios.VMIN: 1, termios.VTIME: 0, termios.VQUIT: NO_KEY, termios.VSUSP: NO_KEY}
    characters = [single.get(index, key) for index, key in enumerate(keys)]
    local = lflag & ~LOCAL_OFF | (termios.ISIG if interrupt else 0)
    return [iflag & ~INPUT_OFF, oflag, cflag, local, ispeed, ospeed, characters]


def serve(selector: selectors.BaseSelector) -> None:
    """Wait until something is ready and call what was registered with it, if it still is."""
    for key, mask in selector.select():
        if key.fd in selector.get_map():
            key.data(mask)
