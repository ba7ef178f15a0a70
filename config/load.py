"""All sources in order, each value checked where it stands: the settings, and where each came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from embervirt.config import sources
from embervirt.config.check import check_together, convert, types
from embervirt.config.settings import Settings


@dataclass(frozen=True)
class Loaded:
    """``sources`` says for each dotted name where its value came from, ``default`` or a place."""

    settings: Settings
    sources: dict[str, str] = field(default_factory=dict)


def load(
    root: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """The settings of a root: defaults < etc/qemu.conf < etc/embervirt.toml < ``environ`` < ``overrides``.

    ``overrides`` are the keyword arguments of ``open`` by dotted name. Every value of every source is
    checked, also one that a later source replaces. Raises SettingsError.
    """
    values: dict[str, object] = dict.fromkeys(types())
    places = dict.fromkeys(types(), "default")
    for found in _all(root, environ or {}, overrides or {}):
        values[found.key] = convert(found.key, found.value, found.where, text=found.text)
        places[found.key] = found.where
    settings = msgspec.convert(_nested(values), Settings)
    check_together(settings, places)
    return Loaded(settings, places)


def value_of(settings: Settings, key: str) -> object:
    """The value of the setting with this dotted name."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _all(
    root: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> Iterator[sources.Found]:
    yield from sources.defaults()
    if root is not None:
        yield from sources.libvirt_file(root / "etc/qemu.conf")
        yield from sources.toml_file(root / "etc/embervirt.toml")
    yield from sources.environment(environ)
    yield from sources.arguments(overrides)


def _nested(values: Mapping[str, object]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    return nested
