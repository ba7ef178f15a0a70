"""systemd's watchdog: a program says that it lives while every open root of it is watched (sd_notify(3)).

For programs, not for the library: the command line begins it, and a program of your own may.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from embervirt import world
from embervirt.runtime.registry import open_roots

LATE = 5.0
"""Seconds: a watch that has not looked for so long does not go round; it does so twice a second."""


def watched() -> bool:
    """Whether supervision goes round in every open root."""
    return all(world.monotonic() - root.supervisor.looked < LATE for root in open_roots())


def period(environment: Mapping[str, str]) -> float | None:
    """Seconds in which systemd wants to hear from this process; None when it asked nothing of it."""
    mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    usec = environment.get("WATCHDOG_USEC", "")
    return int(usec) / 1e6 if mine and usec.isdigit() and "NOTIFY_SOCKET" in environment else None


def feed(address: str) -> bool:
    """Tell the socket at ``address`` that the program lives, if that is true."""
    if not watched():
        return False
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        try:
            notify.sendto(b"WATCHDOG=1", name)
        except OSError:  # systemd itself is restarting; if it stays away nobody is left to tell
            return False
    return True


@contextmanager
def fed(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """While it lasts a thread feeds the watchdog twice in each period, if systemd asked for that."""
    seconds = period(environment)
    if seconds is None:
        yield
        return
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds / 2):
            feed(environment["NOTIFY_SOCKET"])

    thread = world.Thread(target=run, name="embervirt-systemd", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
