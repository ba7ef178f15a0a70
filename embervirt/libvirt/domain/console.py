"""The ends of a guest's devices that a program can hold: console, channels, screen, keyboard."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, DomainNotRunning
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service import channels, keycodes
from embervirt.drivers.qemu.tables import Running
from embervirt.drivers.root import sockets
from embervirt.errors import InvalidArgument, NotSupported, OperationFailed, OperationInvalid, SystemError_
from embervirt.libvirt import stream
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only
from embervirt.libvirt.holders import HOLDERS
from embervirt.libvirt.stream import virStream

FORCE, SAFE = 1, 2
PNG = "image/png"


class Console(Handle):
    """The part of ``virDomain`` with streams to its devices, and its keyboard."""

    def openConsole(self, dev_name: str | None, st: virStream, flags: int = 0) -> int:
        """Connect ``st`` to a console's pty, by alias (``serial0``), or to the first.

        With FORCE (1) whoever holds it loses it, else OperationFailed is raised. SAFE (2) changes nothing:
        nobody of this process gets a console that another of its streams has.
        """
        only(flags, FORCE | SAFE, "openConsole")
        row = self._writable("virDomainOpenConsole")
        port = channels.console(row.domain, dev_name)
        self._hold(port.path, st, partial(_pty, port.path), flags, "console session")
        return 0

    def openChannel(self, name: str | None, st: virStream, flags: int = 0) -> int:
        """Connect ``st`` to a channel's socket, by its name in the guest, its alias, or to the first."""
        only(flags, FORCE, "openChannel")
        row = self._writable("virDomainOpenChannel")
        port = channels.channel(row.domain, name)
        self._hold(port.path, st, partial(_socket, port.path), flags, "channel stream")
        return 0

    def _writable(self, call: str) -> Running:
        self._conn._check_writable(call)
        return self._live()

    def _live(self) -> Running:
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running", virdomain=VIR_FROM_QEMU)
        return row

    def _hold(self, path: str, st: virStream, reach: Callable[[], int], flags: int, what: str) -> None:
        if not HOLDERS.take(path, st, force=bool(flags & FORCE)):
            text = f"Active {what} exists for this domain"
            raise OperationFailed(text, virdomain=VIR_FROM_QEMU)
        try:
            st.attach(reach(), partial(HOLDERS.release, path, st))
        except BaseException as error:
            HOLDERS.release(path, st)
            if isinstance(error, OSError):
                text = f"Failed to open {path}: {error.strerror}"
                raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_QEMU) from error
            raise

    def screenshot(self, stream: virStream, screen: int, flags: int = 0) -> str:
        """Connect ``stream`` to a picture of the screen; its MIME type, ``image/png``."""
        only(flags, 0, "screenshot")
        self._conn._check_writable("virDomainScreenshot")
        alias, head = _screen(self._live().domain, screen)
        path = Path(self._call(messages.Screenshot(alias, head)))
        stream.attach(_picture(path))
        return PNG

    def sendKey(
        self, codeset: int, holdtime: int, keycodes: list[int], nkeycodes: int, flags: int = 0
    ) -> int:
        """Press keys, at most 16, together for ``holdtime`` ms; codes of a virKeycodeSet."""
        only(flags, 0, "sendKey")
        keys = translate(codeset, keycodes[:nkeycodes])
        self._call(messages.SendKey(keys, holdtime))
        return 0

    def sendProcessSignal(self, pid_value: int, signum: int, flags: int = 0) -> int:
        """Raises NotSupported: processes of the guest are its own."""
        self._running()
        raise NotSupported("virDomainSendProcessSignal")


translate = keycodes.translated


def _screen(domain: Domain, screen: int) -> tuple[str, int]:
    """Alias of the video device, and its head, that are screen number so-and-so."""
    videos: tuple[Any, ...] = domain.devices.lists.get("videos", ())
    shown = [video for video in videos if video.model is None or video.model.type != "none"]
    if not shown:
        raise OperationInvalid("no screens to take screenshot from", virdomain=VIR_FROM_QEMU)
    heads = [(video.id, head) for video in shown for head in range((video.model and video.model.heads) or 1)]
    if not 0 <= screen < len(heads):
        raise OperationInvalid("no such screen ID", virdomain=VIR_FROM_QEMU)
    return heads[screen]


def _picture(path: Path) -> int:
    try:
        return stream.file(path)
    except OSError as error:
        raise SystemError_(f"unable to open {path}: {error.strerror}", int1=error.errno or -1) from error


def _pty(path: str) -> int:
    """Raw, so that the terminal of the host changes no byte."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
    except termios.error as error:
        os.close(descriptor)
        raise InvalidArgument(f"{path} is no terminal: {error}") from error
    return descriptor


def _socket(path: str) -> int:
    return sockets.connect(Path(path)).detach()
