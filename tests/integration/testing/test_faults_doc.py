"""docs/faults.md: its examples run as they stand, its table is that of the points, so is the plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from embervirt.faults import POINTS

TEXT = (Path(__file__).resolve().parents[3] / "docs/faults.md").read_text()
EXAMPLES = dict(re.findall(r"^```python (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `([a-z.]+)` \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
SECONDS = 100

MARKED = """
import errno
import pytest
from embervirt import disk, faults as points

@pytest.fixture
def synced(tmp_path):
    file = disk.create(tmp_path / "file")
    disk.sync(file)
    return file

@pytest.mark.fault("file.synced", points.error(errno.EIO))
def test_passed(synced):
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync(synced)

@pytest.mark.fault("file.synced", "error:EIO")
def test_not_passed(synced):
    pass

def test_fixture(synced, faults):
    injected = faults.inject("file.synced", "error:EIO", times=1)
    with pytest.raises(OSError):
        disk.sync(synced)
    assert injected.hits == 1

def test_over(synced):
    disk.sync(synced)
    assert not points.armed
"""


def run(folder: Path, name: str, text: str) -> str:
    """What pytest says of a test module of that text, with no plugin but ours."""
    (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "embervirt.testing.plugin", "--strict-markers", name]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    ).stdout


def test_there_are_three_examples() -> None:
    """Each with the name of a file, under which it runs."""
    assert len(EXAMPLES) == 3
    assert all(name.startswith("test_") for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_it_stands(tmp_path: Path, name: str) -> None:
    """Copied out of the text, nothing added."""
    said = run(tmp_path, name, EXAMPLES[name])
    assert "1 passed" in said, said


def test_the_table_is_that_of_the_points() -> None:
    """All of them, in order, each with its sentence, its effects and what ``where`` may ask for."""
    told = [
        (name, where, tuple(effects.split(", ")), tuple(about.split(", ")))
        for name, where, effects, about in ROW.findall(TEXT)
    ]
    assert told == [(name, *point) for name, point in POINTS.items()]


def test_a_marked_test_has_to_pass_its_point(tmp_path: Path) -> None:
    """Only its own code counts; what the fixture injects ends with the test."""
    said = run(tmp_path, "test_planted.py", MARKED)
    assert "1 failed, 3 passed" in said
    assert "the test passed no fault point it is marked with: file.synced" in said
