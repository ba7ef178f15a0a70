"""Which settings there are, and whether a value is one of those accepted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from embervirt.config import accounts
from embervirt.config.settings import Settings
from embervirt.errors import SettingsError


@cache
def types() -> dict[str, Any]:
    """The type of every setting by its dotted name, ``calls.deadline``."""
    return {
        f"{section}.{name}": type_
        for section, struct in get_type_hints(Settings, include_extras=True).items()
        for name, type_ in get_type_hints(struct, include_extras=True).items()
    }


def convert(key: str, value: object, where: str, *, text: bool = False) -> object:
    """The value of setting ``key`` in its own type; ``text``: from an environment variable, a string.

    Raises SettingsError naming ``where``, what is wrong and what is accepted.
    """
    if key not in types():
        raise SettingsError(f"{where}: there is no setting '{key}'{_hint(key, types())}")
    try:
        given = _words(value) if text and _is_list(types()[key]) else value
        return msgspec.convert(given, types()[key], strict=not text)
    except msgspec.ValidationError as error:
        wish = accepted(types()[key])
        raise SettingsError(f"{where}: {key} = {value!r} is not accepted: expected {wish}") from error


def _is_list(type_: Any) -> bool:
    return get_origin(type_) is Annotated and get_origin(get_args(type_)[0]) is tuple


def _words(value: object) -> list[str]:
    """A list as an environment variable has it: ``qemu.*, secret.Define``."""
    return [word for word in re.split(r"[\s,]+", str(value)) if word]


def accepted(type_: Any) -> str:
    """What a setting of this type accepts, in words."""
    if isinstance(type_, UnionType) or get_origin(type_) is Union:
        return accepted(get_args(type_)[0])
    if get_origin(type_) is Annotated:
        return str(get_args(type_)[1].description)
    if get_origin(type_) is Literal:
        return " or ".join(get_args(type_))
    return {bool: "true or false"}[type_]


def check_together(settings: Settings, sources: dict[str, str]) -> None:
    """Rules across settings. Raises SettingsError naming where the values came from."""
    accounts.chosen(settings.qemu.user, settings.qemu.group, sources)
    delay = settings.supervision
    if delay.backoff_cap < delay.backoff_initial:
        cap, initial = (sources[f"supervision.{name}"] for name in ("backoff_cap", "backoff_initial"))
        least = f"supervision.backoff_initial = {delay.backoff_initial} (from {initial})"
        message = f"supervision.backoff_cap = {delay.backoff_cap} is not accepted: expected at least {least}"
        raise SettingsError(f"{cap}: {message}")


def _hint(key: str, known: Iterable[str]) -> str:
    """The likeliest names that were meant, else the names of the section, else the sections."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.7)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    section = key.partition(".")[0]
    there = [name for name in known if name.startswith(f"{section}.")]
    if there:
        return f"; [{section}] has {', '.join(name.partition('.')[2] for name in there)}"
    return f"; the sections are {', '.join(dict.fromkeys(name.partition('.')[0] for name in known))}"
