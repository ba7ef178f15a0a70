"""The module's functions: opening a root, versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from embervirt.errors import NoConnect
from embervirt.libvirt.connect import API_VERSION, virConnect
from embervirt.libvirt.reporting import told
from embervirt.runtime.drivers import find
from embervirt.runtime.registry import acquire
from embervirt.uri import parse_uri


@told
def open(
    name: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    secret_key: Callable[[], bytes] | None = None,
) -> virConnect:
    """Connect to the driver and the root that the URI names: ``qemu:///embed?root=/abs/dir``.

    ``settings``: by dotted name, ``{"calls.deadline": 5.0}``; ``secret_key``: a callable that gives the
    32 bytes which protect the secrets. Both count when this open is the one that opens the root.
    Raises NoConnect, InvalidArgument, ConfigUnsupported (a relative root), RootBusy, SettingsError.
    """
    return _open(name, False, settings or {}, secret_key)


@told
def openReadOnly(name: str | None = None) -> virConnect:
    """Connect for looking only; whatever changes something raises OperationDenied."""
    return _open(name, True, {}, None)


@told
def openAuth(uri: str | None, auth: Any, flags: int = 0) -> virConnect:
    """As ``open``, or ``openReadOnly`` with flag 1; an embedded driver asks nobody for credentials."""
    return _open(uri, bool(flags & 1), {}, None)


def _open(
    name: str | None, readonly: bool, settings: Mapping[str, Any], key: Callable[[], bytes] | None
) -> virConnect:
    if not name:
        raise NoConnect("expected a URI such as qemu:///embed?root=/abs/dir")
    uri = parse_uri(name)
    find(uri.driver)
    return virConnect(acquire(uri.root, uri.driver, settings, key), uri.driver, name, readonly)


def getVersion(name: str | None = None) -> int:
    """The libvirt version whose API this is."""
    return API_VERSION


def virInitialize() -> int:
    """Nothing needs it."""
    return 0
