"""What every connection has, whatever drivers it serves: its share of a root, its callbacks, its end."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from embervirt.drivers.driver import Part
from embervirt.drivers.libvirtd import elsewhere
from embervirt.errors import ErrorTuple, InvalidArgument, InvalidConnection, NotSupported, OperationDenied
from embervirt.libvirt.callbacks import Registration, dispatcher, forget
from embervirt.libvirt.reporting import Told
from embervirt.runtime.registry import Lease
from embervirt.runtime.root import Root


class Connection(Told):
    """Base of ``virConnect``; the calls of each driver are a subclass in a file of their own."""

    def __init__(self, lease: Lease, driver: str, uri: str, readonly: bool) -> None:
        self._lease, self._driver, self._uri, self._readonly = lease, driver, uri, readonly
        self._before_close = ExitStack()
        self._callbacks: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._lease.inherited:
            self.close()

    @property
    def root(self) -> Root:
        """The runtime behind it: tree, events, settings. Raises InvalidConnection once closed."""
        if not self._lease.open:
            raise InvalidConnection(f"{self._uri} was closed")
        return self._lease.root

    def _check_open(self) -> None:
        """Raises InvalidConnection once this connection or its root is closed, or the root has failed."""
        self.root.check_open()

    def close(self) -> int:
        """Give it up; guests run on unless they were started with autodestroy. Answers the users left."""
        try:
            if self._lease.open and not self._lease.inherited:
                self._leave()
        finally:
            left = self._lease.close()
        return left

    def virConnGetLastError(self) -> ErrorTuple | None:
        """The nine-tuple of the last error of a call to it or to a handle of it, on any thread."""
        return self._last_error

    def virConnResetLastError(self) -> None:
        """Forget that one."""
        self._last_error = None

    def _leave(self) -> None:
        while self._callbacks:
            forget(self._lease.root, self._callbacks.pop())
        self._before_close.close()

    def _face(self, driver: str) -> Any:
        """What ``driver`` offers its handles. Raises NotSupported for one this URI does not serve, or that is
        a libvirtd's by the root's settings."""
        part = self._part(driver)
        if part.elsewhere:
            raise elsewhere(driver, part.elsewhere)
        return part.face

    def _part(self, driver: str) -> Part:
        """The driver in this root, wherever what it serves is. Raises NotSupported as ``_face``."""
        if self._driver not in (driver, "qemu"):
            raise NotSupported(f"a {self._driver} connection has no {driver} driver; open {driver}:///embed")
        self._check_open()
        return self.root.part(driver)

    def _check_writable(self, call: str) -> None:
        if self._readonly:
            raise OperationDenied(f"read only access prevents {call}")

    def _register(self, registration: Registration) -> int:
        id_ = dispatcher(self.root).add(registration)
        self._callbacks.append(id_)
        return id_

    def _deregister(self, id_: int) -> None:
        self._check_open()
        if id_ not in self._callbacks or not forget(self.root, id_):
            raise InvalidArgument(f"no event callback with id {id_} on this connection")
        self._callbacks.remove(id_)
