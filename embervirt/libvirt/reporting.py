"""What libvirt does with an error beside raising it: a thread's last one, and a handler that hears of all.

Without a handler libvirt prints each error to stderr; here nothing is printed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, ParamSpec, TypeVar

from embervirt.errors import ErrorTuple, InvalidArgument, libvirtError
from embervirt.log import get_logger

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[[Any, ErrorTuple], object]


class _Last(threading.local):
    error: ErrorTuple | None = None


class _Heard:
    """Who registered for the errors of this process."""

    handler: Handler | None = None
    opaque: Any = None


_last, _heard = _Last(), _Heard()


def told(call: Callable[P, R]) -> Callable[P, R]:
    """A public call whose error is told; of one within another, once."""

    @wraps(call)
    def made(*args: P.args, **kwargs: P.kwargs) -> R:
        _last.error = None
        try:
            return call(*args, **kwargs)
        except libvirtError as error:
            if error.err is not None and _last.error is not error.err:
                _tell(error.err)
                if args and isinstance(args[0], Told):
                    args[0]._keep(error.err)
            raise

    return made


class Told:
    """Base of connections and handles: all their public calls are ``told``.

    ``_conn``: of a handle, its connection. That one keeps its own last error.
    """

    _last_error: ErrorTuple | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, call in list(vars(cls).items()):
            if isfunction(call) and not name.startswith("_"):
                setattr(cls, name, told(call))

    def _keep(self, error: ErrorTuple) -> None:
        getattr(self, "_conn", self)._last_error = error


def _tell(error: ErrorTuple) -> None:
    _last.error = error
    if _heard.handler is not None:
        try:
            _heard.handler(_heard.opaque, error)
        except Exception:  # noqa: BLE001 - the host program's own bug; the error that it was told goes on
            get_logger().exception("an error handler raised")


def registerErrorHandler(f: Handler | None, ctx: Any) -> int:
    """``f(ctx, error)`` is called with the nine-tuple of each error, on the thread and before the call that
    failed raises it; None: nobody is told. Answers 1. Raises InvalidArgument for what cannot be called."""
    if f is not None and not callable(f):
        raise InvalidArgument(f"an error handler must be callable or None, not {type(f).__name__}")
    _heard.handler, _heard.opaque = f, ctx
    return 1


def virGetLastError() -> ErrorTuple | None:
    """The nine-tuple of the error that this thread's last call raised, None if it raised none."""
    return _last.error


def virGetLastErrorCode() -> int:
    """Its ``virErrorNumber``, 0 for none."""
    return _last.error[0] if _last.error else 0


def virGetLastErrorDomain() -> int:
    """Its ``virErrorDomain``, 0 for none."""
    return _last.error[1] if _last.error else 0


def virGetLastErrorMessage() -> str:
    """Its message."""
    return _last.error[2] if _last.error else "no error"


def virResetLastError() -> None:
    """Forget it, on this thread."""
    _last.error = None
