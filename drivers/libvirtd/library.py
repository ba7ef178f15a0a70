"""libvirt-python, which need not be installed, and what its errors mean here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from embervirt.errors import (
    AccessDenied,
    ConfigUnsupported,
    InternalError,
    InvalidArgument,
    NotSupported,
    OperationDenied,
    OperationFailed,
    OperationInvalid,
    ResourceBusy,
    SystemError_,
    libvirtError,
)

MODULE = "libvirt"
NO_SUPPORT = NotSupported.code

GENERAL: dict[int, type[libvirtError]] = {
    each.code: each
    for each in (
        *(InternalError, NotSupported, InvalidArgument, OperationFailed, OperationDenied, AccessDenied),
        *(SystemError_, OperationInvalid, ConfigUnsupported, ResourceBusy),
    )
}
"""By libvirt's number. What has none here failed, and the text says why."""


def library(uri: str) -> Any:
    """The module. Raises ConfigUnsupported where it is not installed."""
    loaded = MODULE in sys.modules
    try:
        found = importlib.import_module(MODULE)
    except ImportError as error:
        text = f"{uri} is asked through libvirt-python, which cannot be loaded ({error})"
        raise ConfigUnsupported(f"{text}; expected: pip install 'embervirt[libvirt]'") from error
    if not loaded:  # it would print every error; a program that uses it itself has chosen what it wants
        found.registerErrorHandler(_silent, None)
    return found


def failure() -> type[Exception]:
    """The class of its errors, for an operation that has a connection, so that it is loaded."""
    found: type[Exception] = sys.modules[MODULE].libvirtError
    return found


def _silent(_context: object, _error: object) -> None:
    """Errors are raised too."""


def meant(
    error: Any, uri: str, leaves: Mapping[int, type[libvirtError]], *, lost: bool = False
) -> libvirtError:
    """An error of libvirt-python's as ours, which says whose it is.

    ``leaves``: a driver's, by code; ``lost``: there is no connection.
    """
    code = error.get_error_code() or 0
    known = leaves.get(code) or GENERAL.get(code) or OperationFailed
    told = (error.get_error_message() or str(error)).removeprefix(f"{known.prefix}: ")
    text = f"{uri} cannot be reached: {told}" if lost else f"{told} ({uri})"
    return known(text, virdomain=error.get_error_domain() or 0)
