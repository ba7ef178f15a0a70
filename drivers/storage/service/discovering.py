"""What pools of a kind could be made of: exports of a server, volume groups of this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.errors import (
    VIR_FROM_STORAGE,
    StorageArgument,
    StorageFailed,
    StorageInternal,
    StorageNotSupported,
    StorageUnsupported,
    StorageXml,
)
from embervirt.drivers.storage.images import exports, groups
from embervirt.drivers.storage.model import KINDS, Device, Dir, Format, Host, Source, Sources
from embervirt.drivers.xml import parse, render
from embervirt.errors import errors_of

Find = Callable[[Programs], str]
FOUND = ("netfs", "logical")
"""Kinds that can be looked for."""


def finder(kind: str, source: str) -> Find:
    """Who looks; ``source``: where, as XML. Raises StorageInternal for a kind that nobody knows,
    StorageNotSupported for one that cannot be looked for, XmlError, StorageArgument, StorageUnsupported."""
    if kind not in KINDS:
        raise StorageInternal(f"unknown storage pool type {kind}; expected one of: {', '.join(KINDS)}")
    if kind not in FOUND:
        known = ", ".join(FOUND)
        raise StorageNotSupported(
            f"pool type '{kind}' does not support source discovery; expected one of: {known}"
        )
    if kind == "logical":
        return _groups
    host = _host(source)
    return lambda programs: _exports(programs, host)


def _host(source: str) -> str:
    if not source:
        raise StorageArgument("hostname must be specified for netfs sources")
    with errors_of(VIR_FROM_STORAGE):
        given = parse(Source, source)
    if given.format is not None and given.format.type not in KINDS["netfs"].formats:
        raise StorageUnsupported(f"unknown pool format type {given.format.type}")
    hosts = given.hosts
    if len(hosts) != 1:
        raise StorageUnsupported(f"Expected exactly 1 host for the storage pool: {len(hosts)} are given")
    name = hosts[0].name or ""
    if not name or name.startswith("-"):
        raise StorageXml(f"missing storage pool host name: '{name}' is empty or begins with '-'")
    return name


def _exports(programs: Programs, host: str) -> str:
    try:
        found = exports.shown(programs.ask(exports.show(host)))
    except StorageInternal as error:
        raise StorageFailed(f"no storage pools were found on host '{host}': {error.detail}") from error
    if not found:
        raise StorageFailed(f"no storage pools were found on host '{host}'")
    return _rendered(
        Source(hosts=(Host(name=host),), dir=Dir(path=path), format=Format(type="nfs")) for path in found
    )


def _groups(programs: Programs) -> str:
    found = groups.scanned(programs.ask(groups.scan()))
    return _rendered(
        Source(devices=tuple(Device(path=path) for path in paths), name=name, format=Format(type="lvm2"))
        for name, paths in found.items()
    )


def _rendered(sources: Iterable[Source]) -> str:
    return render(Sources(sources=tuple(sources)))
