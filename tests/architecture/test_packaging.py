"""The wheel holds everything, from the tree and from the source archive alike."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("embervirt", "actors", "drivers", "supervisor", "config", "pyproject.toml", "README.md")
DATA = {".py", ".toml", ".json", ".typed"}
SKIP = shutil.ignore_patterns("__pycache__", "*.egg-info")


def _build(kind: str, tree: Path) -> Path:
    code = f"from setuptools import build_meta; build_meta.build_{kind}('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=tree, check=True, capture_output=True, text=True)
    (built,) = (tree / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, because setuptools leaves folders behind."""
    copy = tmp_path_factory.mktemp("tree")
    for part in map(Path, PARTS):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, symlinks=True, ignore=SKIP)
        else:
            shutil.copy(ROOT / part, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    """Built from the tree."""
    return _build("wheel", tree)


@pytest.fixture(scope="module")
def wheel_of_archive(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source archive, as who installs from one does."""
    unpacked = tmp_path_factory.mktemp("archive")
    with tarfile.open(_build("sdist", tree)) as archive:
        archive.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    return _build("wheel", top)


def _names(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def _expected(tree: Path) -> set[str]:
    linked = {path.name for path in (tree / "embervirt").iterdir() if path.is_symlink()}
    files = (path.relative_to(tree) for path in tree.rglob("*") if path.suffix in DATA and path.is_file())
    inside = (path for path in files if len(path.parts) > 1 and path.parts[0] in {"embervirt", *linked})
    return {str(path if path.parts[0] == "embervirt" else "embervirt" / path) for path in inside}


def test_the_wheel_holds_all_modules_and_data(tree: Path, wheel: Path) -> None:
    """Each module, settings file and marker of the real folders is in it, under the one import name."""
    assert _names(wheel) == _expected(tree)


def test_the_archive_gives_the_same_wheel(wheel: Path, wheel_of_archive: Path) -> None:
    """Links become folders in the source archive; the wheel made of it lacks nothing."""
    assert _names(wheel_of_archive) == _names(wheel)


def test_the_wheel_is_what_gets_imported(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere its packages load from there, all of them."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    names = [f"embervirt.{folder}" for folder in ("actors", "config", "drivers", "supervisor")]
    code = f"import {', '.join(names)}\nfor module in {', '.join(names)}: print(module.__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    folders = [Path(line).parent.parent for line in done.stdout.splitlines()]
    assert folders == [tmp_path / "embervirt"] * 4
