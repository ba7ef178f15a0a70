"""``EMBERVIRT_FAULTS``: injections for a program that a test starts, as text.

``POINT[NAME=GLOB,...]=EFFECT:VALUE@N``, several joined by ``;``. The brackets, the value and ``@N`` may be
missing: with it, the effect happens at the Nth matching pass only, without it at each::

    EMBERVIRT_FAULTS='file.synced[path=*.xml]=kill@3; qmp.sent=delay:0.2; file.written=error:ENOSPC'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from embervirt.faults.effects import MAKERS, Effect

VARIABLE = "EMBERVIRT_FAULTS"
ENTRY = re.compile(r"([a-z.]+)(?:\[([^]]*)\])?=([a-z]+)(?::([^@]+))?(?:@([1-9][0-9]*))?")
EXAMPLES = {"error": "error:ENOSPC", "delay": "delay:0.2", "torn": "torn:10", "signal": "signal:SIGSTOP"}
Entry = tuple[str, Effect, int, int | None, dict[str, str]]
"""The first arguments of an Injection."""


def entries(text: str) -> Iterator[Entry]:
    """Of the variable's text. Raises ValueError that quotes what cannot be read."""
    for one in filter(None, (part.strip() for part in text.split(";"))):
        found = ENTRY.fullmatch(one)
        if found is None:
            expected = "POINT[NAME=GLOB]=EFFECT:VALUE@NUMBER"
            raise ValueError(f"{VARIABLE}: cannot read {one!r}: expected {expected}")
        point, where, kind, value, number = found.groups()
        pairs = dict(_pair(each) for each in (where or "").split(",") if each)
        at = (int(number) - 1, 1) if number else (0, None)
        yield point, _made(kind, value), *at, pairs


def effect(text: str) -> Effect:
    """``EFFECT:VALUE`` as an effect: ``error:ENOSPC``, ``kill``. Raises ValueError."""
    kind, colon, value = text.partition(":")
    return _made(kind, value if colon else None)


def _pair(text: str) -> tuple[str, str]:
    name, _, glob = text.partition("=")
    return name.strip(), glob.strip()


def _made(kind: str, value: str | None) -> Effect:
    if kind not in MAKERS:
        raise ValueError(f"{VARIABLE}: no effect is called {kind!r}: expected one of {', '.join(MAKERS)}")
    make, reads = MAKERS[kind]
    if reads is None and value is None:
        return make()
    try:
        return make(reads(value)) if reads is not None and value is not None else _refuse(kind, value)
    except (ValueError, KeyError):
        return _refuse(kind, value)


def _refuse(kind: str, value: str | None) -> NoReturn:
    given = kind if value is None else f"{kind}:{value}"
    expected = EXAMPLES.get(kind, kind)
    raise ValueError(f"{VARIABLE}: cannot read {given!r}: expected it as in {expected!r}") from None
