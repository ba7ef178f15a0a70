"""Rules about the source text itself: sizes, imports, names of files, and what a test looks like."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("actors", "config", "drivers", "supervisor")
"""Imported as ``embervirt.NAME``, never as ``NAME``."""

COMMON = {
    *("actor", "messages", "errors", "model", "validate", "states", "service", "store", "backend"),
    *("__init__", "driver", "elsewhere", "face", "filters", "tables"),
}
"""A driver's files or folders: how it works; how callers find it, reach it, and read what it publishes."""

OWN = {
    "network": {"elsewhere", "names", "nwfilter", "postparse", "reading", "render", "switch", "updating"},
    "qemu": {
        *("addresses", "aliases", "capabilities", "cpu", "firmware", "host", "nodes", "parts", "plan"),
        *("owners", "plugging", "ports", "postparse"),
    },
    "secret": {"reading", "value"},
    "storage": {"images", "jobs", "postparse", "reading"},
}
"""What only one of them has a use for."""

SHARED = {"images", "libvirtd", "root", "xml"}
"""Folders of ``drivers/`` that are no drivers."""


def sources(*folders: str) -> list[Path]:
    """The real files of the folders, without what links lead to."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "__pycache__" not in path.parts and path.resolve() == path)


ALL = sources("embervirt", *FOLDERS, "tests", "bench", "docs")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """All of a file, nested ones and methods too."""
    tree = ast.parse(path.read_text(), filename=str(path))
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def place(path: Path, node: ast.stmt | ast.expr) -> str:
    """``actors/bus.py:12``, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_all_folders_are_looked_at() -> None:
    """The list that the other tests go through holds files of every folder."""
    tops = {path.relative_to(ROOT).parts[0] for path in ALL}
    assert tops >= {"embervirt", *FOLDERS, "tests"}


def test_files_are_at_most_500_lines() -> None:
    """No file is so long that nobody reads it."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ALL}
    assert {name: lines for name, lines in lengths.items() if lines > 500} == {}


def test_functions_are_at_most_50_lines() -> None:
    """No function is, docstring and all, longer than a screen."""
    long = {
        f"{place(path, node)} {node.name}": lines
        for path in ALL
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > 50
    }
    assert long == {}


def imported(node: ast.AST) -> list[str]:
    """The modules an import statement names from the top, else none."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0):
            return [node.module or ""]
    return []


def test_folders_are_not_import_names() -> None:
    """``import actors`` would load a second copy of a module, with classes that are not the first one's."""
    wrong = [
        place(path, node)
        for path in ALL
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.stmt) and any(name.split(".")[0] in FOLDERS for name in imported(node))
    ]
    assert wrong == []


DRIVERS = sorted({path.parent.name for path in (ROOT / "drivers").glob("*/__init__.py")} - SHARED)


@pytest.mark.parametrize("driver", DRIVERS)
def test_drivers_have_the_same_file_names(driver: str) -> None:
    """Who knows one driver finds everything in another."""
    entries = (ROOT / "drivers" / driver).iterdir()
    names = {path.stem for path in entries if path.suffix == ".py" or path.is_dir()}
    assert names - {"__pycache__"} <= COMMON | OWN.get(driver, set())


TESTS = {
    f"{path.relative_to(ROOT)}::{node.name}": node
    for path in sources("tests")
    if path.name.startswith("test_")
    for node in functions(path)
    if node.name.startswith("test_")
}


def asserts(node: ast.AST) -> bool:
    """An ``assert``, ``pytest.raises``, the ``golden`` fixture, or a helper called ``assert_...``."""
    match node:
        case ast.Assert():
            return True
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name in {"raises", "golden", "run_state_machine_as_test"} or name.startswith("assert_")
    return False


def test_every_test_says_what_holds() -> None:
    """Each test has a docstring: the sentence that a reader checks the code against."""
    silent = [name for name, node in TESTS.items() if not ast.get_docstring(node)]
    assert silent == []


def test_every_test_asserts() -> None:
    """Each test can fail on what the program did, not only on what it raised."""
    idle = [name for name, node in TESTS.items() if not any(map(asserts, ast.walk(node)))]
    assert idle == []


def sleeps(node: ast.AST) -> bool:
    """``time.sleep(...)`` and its kin; ``asyncio.sleep(0)`` waits for nothing."""
    match node:
        case ast.Call(args=[ast.Constant(value=0)]):
            return False
        case ast.Call(func=ast.Attribute(attr="sleep")) | ast.Call(func=ast.Name(id="sleep")):
            return True
    return False


def test_no_test_sleeps() -> None:
    """Tests wait for events: a sleep is too short on a busy machine and too long on all others."""
    found = [
        place(path, node)
        for path in sources("tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and sleeps(node)
    ]
    assert found == []
