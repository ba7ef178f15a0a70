"""Libvirt's ``qemu.conf``: ``name = value`` lines, values are strings, whole numbers or lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from embervirt.errors import SettingsError

Value = str | int | list[str]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"([A-Za-z_]\w*)[ \t]*=[ \t]*")
_STRING = re.compile(r'"""(.*?)"""|"([^"\n]*)"|\'([^\'\n]*)\'', re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+")
_END = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")

def _truth(value: Value) -> object:
    return value != 0 if isinstance(value, int) else value


MEANINGS: dict[str, tuple[str, Callable[[Value], object]]] = {
    "dynamic_ownership": ("qemu.dynamic_ownership", _truth),
    "group": ("qemu.group", lambda value: value),
    "memory_backing_dir": ("qemu.memory_backing_dir", lambda value: value),
    "remember_owner": ("qemu.remember_owner", _truth),
    "seccomp_sandbox": ("qemu.sandbox", _truth),
    "user": ("qemu.user", lambda value: value),
}
"""Libvirt's settings that have a meaning here, the setting each stands for, and how its value reads there.

``seccomp_sandbox``: 0 is off, 1 on, -1 on when QEMU can.
"""


def parse(content: str, path: Path) -> Iterator[tuple[int, str, Value]]:
    """Line, name and value of every setting. Raises SettingsError naming file and line."""
    at = _skip(content, 0)
    while at < len(content):
        start = at
        name = _NAME.match(content, at)
        if name is None:
            raise _error(content, path, at, "a setting 'name = value'")
        value, at = _value(content, path, name.end())
        end = _END.match(content, at)
        if end is None:
            raise _error(content, path, at, f"nothing more after the value of {name[1]}")
        yield _line(content, start), name[1], value
        at = _skip(content, end.end())


def _value(content: str, path: Path, at: int) -> tuple[Value, int]:
    if string := _STRING.match(content, at):
        return _text(string), string.end()
    if number := _NUMBER.match(content, at):
        return int(number[0]), number.end()
    if content.startswith("[", at):
        return _list(content, path, at + 1)
    raise _error(content, path, at, "a string in quotes, a whole number or a list of strings")


def _list(content: str, path: Path, at: int) -> tuple[list[str], int]:
    strings: list[str] = []
    at = _skip(content, at)
    while string := _STRING.match(content, at):
        strings.append(_text(string))
        at = _skip(content, string.end())
        if not content.startswith(",", at):
            break
        at = _skip(content, at + 1)
    if not content.startswith("]", at):
        raise _error(content, path, at, "strings in quotes separated by ',', and ']'")
    return strings, at + 1


def _text(string: re.Match[str]) -> str:
    return next(group for group in string.groups() if group is not None)


def _skip(content: str, at: int) -> int:
    blank = _BLANK.match(content, at)
    return blank.end() if blank else at


def _line(content: str, at: int) -> int:
    return content.count("\n", 0, at) + 1


def _error(content: str, path: Path, at: int, expected: str) -> SettingsError:
    found = content[at:].split("\n", 1)[0][:40]
    return SettingsError(f"{path}:{_line(content, at)}: expected {expected}, found {found!r}")
