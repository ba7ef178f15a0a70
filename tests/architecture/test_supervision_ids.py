"""The list of supervision's test cases is complete: each id has a test, or a reason why it has none yet.

``docs/supervision-tests.md`` says what each id promises, and which files test it; after a test was moved,
``pytest --rewrite-golden tests/architecture/test_supervision_ids.py`` writes the files anew.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "supervision-tests.md"
NUMBERS = {
    "A": "01 04 05 06 07 08 09 10",
    "B": "01 02 03 04 05 06 07 08 09 10 11 12",
    "C": "01 02 03 04 05 06 07 08 09 10",
    "D": "01 02 03 04 05 06 07 08 09 10 11 12 13",
    "E": "01 02 03 04 05 06 07 08 09 10 11",
    "F": "01 02 03 04 05 07 08",
    "G": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16",
    "H": "01 02 03 04 05 06 07 11 12 13",
    "I": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17",
    "J": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15",
    "K": "01 02 03 04 05 06 07 08 09 10 12",
    "L": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15",
    "M": "01 02 03 04 05 06 07 08 09",
    "N": "01 02 03 04 05 06 07 08 09",
    "O": "01 02 03 04 05 06",
}
IDS = [group + number for group, numbers in NUMBERS.items() for number in numbers.split()]
WAITING = {"G08", "J14", "K10"}
"""Deferred by the specification: what they test is not built."""

MORE = 10
"""So many others may be deferred."""

IN_A_NAME = re.compile(r"_([a-o]\d\d)(?=_)")
ROW = re.compile(r"^\| ([A-O]\d\d) \| (.+?) \| (.*?) \|$")
DEFERRED = re.compile(r"^- \*\*([A-O]\d\d)\*\* (.{20,})$")


@functools.cache
def carriers() -> dict[str, list[str]]:
    """By id: the files below ``tests/`` with a test that carries it in its name."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for id_ in IN_A_NAME.findall(node.name):
                    found[id_.upper()].add(str(path.relative_to(ROOT / "tests")))
    return {id_: sorted(files) for id_, files in found.items()}


def listed() -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """The rows of the table, id, what holds, where; and the deferred ones with their reasons."""
    lines = LIST.read_text().splitlines()
    rows = [(m[1], m[2], m[3]) for line in lines if (m := ROW.match(line))]
    return rows, {m[1]: m[2] for line in lines if (m := DEFERRED.match(line))}


def where(id_: str, files: dict[str, list[str]], deferred: dict[str, str]) -> str:
    """The third column of a row."""
    return "deferred" if id_ in deferred else ", ".join(f"`{name}`" for name in files.get(id_, ()))


def test_every_id_has_a_test_or_a_reason() -> None:
    """Nothing is forgotten: whatever is not deferred is carried in the name of a test."""
    _, deferred = listed()
    assert [id_ for id_ in IDS if id_ not in carriers() and id_ not in deferred] == []


def test_no_test_carries_an_id_that_does_not_exist() -> None:
    """A number that was mistyped would look like a test that is there."""
    assert {id_: files for id_, files in carriers().items() if id_ not in IDS} == {}


def test_the_table_has_each_id_once_in_order() -> None:
    """Also those that are deferred."""
    rows, _ = listed()
    assert [id_ for id_, _, _ in rows] == IDS
    assert [what for what, times in Counter(what for _, what, _ in rows).items() if times > 1] == []


def test_the_table_names_the_files(request: pytest.FixtureRequest) -> None:
    """Whoever looks for a test finds it."""
    (rows, deferred), files = listed(), carriers()
    true = {id_: f"| {id_} | {what} | {where(id_, files, deferred)} |" for id_, what, _ in rows}
    if request.config.getoption("--rewrite-golden"):
        lines = LIST.read_text().splitlines()
        text = "\n".join(true[m[1]] if (m := ROW.match(line)) else line for line in lines)
        LIST.write_text(text + "\n")
    stand = [f"| {id_} | {what} | {files_} |" for id_, what, files_ in listed()[0]]
    assert stand == list(true.values()), "pytest --rewrite-golden writes the files anew"


def test_few_are_deferred() -> None:
    """Those that wait for features, at most ten more, each for a reason, and none that has a test."""
    _, deferred = listed()
    assert set(deferred) <= set(IDS)
    assert len(set(deferred) - WAITING) <= MORE
    assert sorted(set(deferred) & set(carriers())) == []
