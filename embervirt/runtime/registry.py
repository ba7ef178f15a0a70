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


class _Shared:
    """A root and how many connections use it."""

    def __init__(self, root: Root, overrides: dict[str, Any]) -> None:
        self.root, self.overrides, self.users, self.pid = root, overrides, 0, os.getpid()


class Lease:
    """One connection's share of a root. ``close`` may be called twice."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self.open = True
        shared.users += 1

    @property
    def root(self) -> Root:
        """The root itself."""
        return self._shared.root

    def close(self) -> int:
        """Give it back; the last one closes the root. Answers how many users remain."""
        with _lock:
            if not self.open:
                return self._shared.users
            if self._shared.pid != os.getpid():
                raise ForkedError("this process was forked from the one that opened the root")
            self.open = False
            self._shared.users -= 1
            if not self._shared.users:
                del _roots[self.root.paths.path]
                self.root.close()
            return self._shared.users


def acquire(
    path: Path, overrides: Mapping[str, Any], secret_key: Callable[[], bytes] | None = None
) -> Lease:
    """A share of the root at ``path``, which is opened if nobody has it open.

    Raises RootBusy when another process has it, InvalidArgument when it is open with other settings.
    """
    real = Path(os.path.realpath(path))
    with _lock:
        shared = _roots.get(real)
        if shared is None or shared.root.failed or shared.pid != os.getpid():
            shared = _Shared(Root(real, overrides, secret_key), dict(overrides))
            _roots[real] = shared
        elif overrides and dict(overrides) != shared.overrides:
            raise InvalidArgument(f"root {real} is open already with the settings {shared.overrides}")
        return Lease(shared)


def open_roots() -> list[Root]:
    """All roots open in this process."""
    return [shared.root for shared in _roots.values()]


def _forget_after_fork() -> None:
    """A forked child owns no root: locks are closed there by ``RootLock``, handles raise ForkedError."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _roots.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
