"""The roots this process has open: one for each directory, however it is spelled, counted by its users."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from embervirt.errors import ForkedError, InvalidArgument
from embervirt.runtime.root import Root

_lock = threading.Lock()
_roots: dict[Path, _Shared] = {}
_parents: list[_Shared] = []
"""In a forked child, the roots of its parent: kept, so that nothing of theirs is ever finalised here."""


class _Shared:
    """A root and how many connections use it.

    ``lock`` is held while it opens or closes: roots do not wait for each other. Once ``over`` it stays so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.pid = path, os.getpid()
        self.lock = threading.Lock()
        self.root: Root | None = None
        self.overrides: dict[str, Any] = {}
        self.users = 0
        self.over = False

    def end(self) -> None:
        """Whoever opens the directory meanwhile finds this one, and waits for its ``lock``."""
        self.over = True
        try:
            if self.root is not None:
                self.root.close()
        finally:
            with _lock:
                if _roots.get(self.path) is self:
                    del _roots[self.path]


class Lease:
    """One connection's share of a root. ``close`` may be called twice."""

    def __init__(self, shared: _Shared, root: Root) -> None:
        self._shared, self.root = shared, root
        self.open = True
        shared.users += 1

    @property
    def inherited(self) -> bool:
        """Whether this process was forked from the one that opened the root."""
        return self._shared.pid != os.getpid()

    def close(self) -> int:
        """Give it back; the last one closes the root. Answers how many users remain."""
        if self.inherited:
            raise ForkedError("this process was forked from the one that opened the root")
        if not self.open:
            return self._shared.users
        with self._shared.lock:
            if self.open:
                self.open = False
                self._shared.users -= 1
                if not self._shared.users:
                    self._shared.end()
            return self._shared.users


def acquire(
    path: Path,
    driver: str,
    overrides: Mapping[str, Any],
    secret_key: Callable[[], bytes] | None = None,
) -> Lease:
    """A share of the root at ``path`` with ``driver`` started; it is opened if nobody has it open.

    Raises RootBusy when another process has it, InvalidArgument when it is open with other settings.
    """
    real = Path(os.path.realpath(path))
    while True:
        with _lock:
            shared = _roots.setdefault(real, _Shared(real))
        with shared.lock:
            if shared.root is not None and shared.root.failed:
                shared.end()
            if not shared.over:
                return _share(shared, driver, overrides, secret_key)


def _share(
    shared: _Shared, driver: str, overrides: Mapping[str, Any], secret_key: Callable[[], bytes] | None
) -> Lease:
    if shared.root is None:
        try:
            shared.root = Root(shared.path, driver, overrides, secret_key)
        except BaseException:
            shared.end()
            raise
        shared.overrides = dict(overrides)
    elif overrides and dict(overrides) != shared.overrides:
        raise InvalidArgument(f"root {shared.path} is open already with the settings {shared.overrides}")
    shared.root.part(driver)
    return Lease(shared, shared.root)


def open_roots() -> list[Root]:
    """All roots open in this process."""
    return [shared.root for shared in list(_roots.values()) if shared.root is not None]


def _forget_after_fork() -> None:
    """A forked child owns no root: locks are closed there by ``RootLock``, handles raise ForkedError."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    for root in open_roots():
        root.disown()
    _parents.extend(_roots.values())
    _roots.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
