"""Where settings come from: each source gives dotted names with values and the place they were found."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from embervirt.config import qemu_conf
from embervirt.config.check import types
from embervirt.errors import SettingsError

DEFAULTS = Path(__file__).with_name("defaults.toml")
PREFIX = "EMBERVIRT_"
OTHER_VARIABLES = frozenset({"EMBERVIRT_ROOT", "EMBERVIRT_FAULTS"})
"""Variables with the prefix that are no settings: the command line's ``--root``."""

LARGEST = 1 << 20
"""Bytes of a settings file."""


@dataclass(frozen=True)
class Found:
    """One setting as a source has it. ``where``: file and line, variable, or argument."""

    key: str
    value: object
    where: str
    text: bool = False


@cache
def defaults() -> tuple[Found, ...]:
    """The documented defaults."""
    return tuple(Found(found.key, found.value, "default") for found in toml_file(DEFAULTS))


def toml_file(path: Path) -> Iterator[Found]:
    """Settings of a TOML file; none when there is no such file. Raises SettingsError."""
    content = _read(path)
    if content is None:
        return
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    for key, value in _flat(tables):
        yield Found(key, value, f"{path}:{_line(content, key)}")


def libvirt_file(path: Path) -> Iterator[Found]:
    """Libvirt's own settings that have a meaning here. Raises SettingsError for a broken file."""
    content = _read(path)
    for line, name, value in qemu_conf.parse(content or "", path):
        if name in qemu_conf.MEANINGS:
            key, meaning = qemu_conf.MEANINGS[name]
            yield Found(key, meaning(value), f"{path}:{line}")


def environment(environ: Mapping[str, str]) -> Iterator[Found]:
    """``EMBERVIRT_SECTION_KEY`` variables. One that names no setting is given as it is, to be refused."""
    names = {PREFIX + key.replace(".", "_").upper(): key for key in types()}
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            unknown = variable.removeprefix(PREFIX).lower().replace("_", ".", 1)
            yield Found(names.get(variable, unknown), value, f"variable {variable}", text=True)


def arguments(overrides: Mapping[str, object]) -> Iterator[Found]:
    """Keyword arguments of ``open``, by dotted name."""
    for key, value in overrides.items():
        yield Found(key, value, f"argument {key}")


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for section, content in tables.items():
        if isinstance(content, dict):
            yield from ((f"{section}.{key}", value) for key, value in content.items())
        else:
            yield section, content


def _line(content: str, key: str) -> int:
    """The line that sets ``key``: tomllib does not say. The section's line for a value in an inline table."""
    section, _, name = key.partition(".")
    inside, fallback = "", 1
    for number, line in enumerate(content.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
            inside = _unquoted(header[1])
        if setting := re.match(r"\s*([\w\"'.\s-]+?)\s*=", line):
            full = ".".join(filter(None, [inside, _unquoted(setting[1])]))
            if full == key:
                return number
            if full == section and name:
                fallback = number
    return fallback


def _unquoted(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def _read(path: Path) -> str | None:
    """The text of a settings file, None when there is none. Anything but a plain small file is refused."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise SettingsError(f"{path}: expected a plain file of at most {LARGEST} bytes")
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
