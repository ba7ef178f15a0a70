"""Who wants to know that a connection is lost without having been closed: its root failed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from embervirt.errors import InvalidArgument, NotSupported
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.eventloop import hand

CLOSE_REASON_ERROR = 0
VIR_FROM_REMOTE_CLIENT = 20


class CloseCalls(Connection):
    """The part of ``virConnect`` that concerns its end."""

    _at_failure: Callable[[str], None] | None = None

    def registerCloseCallback(self, cb: Callable[[Any, int, Any], object], opaque: Any) -> int:
        """``cb(conn, reason, opaque)`` when the root fails, with reason ERROR (0); ``close`` tells nobody.

        It takes the place of one that was registered before. Raises InvalidArgument, InvalidConnection.
        """
        if not callable(cb):
            raise InvalidArgument(f"a close callback must be callable, not {type(cb).__name__}")
        self._check_open()
        self.unregisterCloseCallback()
        self._at_failure = partial(self._failed, cb, opaque)
        self._lease.root.on_failed.append(self._at_failure)
        self._before_close.callback(self.unregisterCloseCallback)
        return 0

    def unregisterCloseCallback(self) -> None:
        """Nobody is told any more."""
        if self._at_failure is not None:
            self._lease.root.on_failed.remove(self._at_failure)
            self._at_failure = None

    def _failed(self, cb: Callable[[Any, int, Any], object], opaque: Any, why: str) -> None:
        hand(lambda: cb(self, CLOSE_REASON_ERROR, opaque), "embervirt-closed")

    def setKeepAlive(self, interval: int, count: int) -> NoReturn:
        """There is no peer to be kept alive. Raises NotSupported, as libvirt does for such connections."""
        self._check_open()
        raise NotSupported("virConnectSetKeepAlive", virdomain=VIR_FROM_REMOTE_CLIENT)
