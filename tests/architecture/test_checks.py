"""The static checks see every folder and every forbidden import: errors are planted in a copy of the tree."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SKIP = shutil.ignore_patterns("__pycache__")
REAL = ("embervirt", "actors", "drivers", "supervisor", "config", "tests")
CODE = [
    *("embervirt", "embervirt/cli", "embervirt/runtime", "actors", "supervisor", "config"),
    *("drivers/root", "drivers/xml", "drivers/secret", "drivers/qemu", "tests", "tests/unit"),
]
"""Folders in which an error is planted."""

ERROR = 'import os\n\nnumber: int = "planted"\n'
"""An unused import for ruff, a wrong type for mypy."""

BAD_IMPORTS = {
    "supervisor/planted_low.py": "import embervirt.runtime.planted\n",
    "drivers/secret/planted_back.py": "import embervirt.drivers.qemu.messages\n",
    "drivers/qemu/planted_inside.py": "import embervirt.drivers.secret.planted\n",
    "config/planted_face.py": "import embervirt\n",
    "actors/planted_one.py": "import embervirt.actors.planted_two\n",
    "actors/planted_two.py": "import embervirt.actors.planted_one\n",
    "tests/planted_top.py": "import actors\nimport config.load\nimport drivers\nfrom supervisor import x\n",
}
CONTRACTS = [
    "A lower layer never imports a higher one",
    "Drivers import each other in one direction",
    "Of another driver only its messages are imported",
    "Nothing below the public face imports it",
    "No import cycles",
]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By program: what each command of ``scripts/lint`` says about a copy with all of it planted."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in REAL:
        shutil.copytree(ROOT / folder, tree / folder, symlinks=True, ignore=SKIP)
    shutil.copy(ROOT / "pyproject.toml", tree)
    for name, text in BAD_IMPORTS.items() | {(f"{folder}/planted.py", ERROR) for folder in CODE}:
        (tree / name).write_text(text)
    lines = (ROOT / "scripts" / "lint").read_text().splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith(".venv/bin/")]
    return {Path(program).name: _run(tree, Path(program).name, *rest) for program, *rest in commands}


def _run(tree: Path, program: str, *arguments: str) -> str:
    done = subprocess.run([BIN / program, *arguments], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 1, f"{program} did not fail: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("folder", CODE)
def test_ruff_sees(output: dict[str, str], folder: str) -> None:
    """ruff, which does not follow the links, is given every real folder."""
    assert f"{folder}/planted.py:1:8: F401" in output["ruff"]


@pytest.mark.parametrize("folder", CODE)
def test_mypy_sees(output: dict[str, str], folder: str) -> None:
    """mypy goes through the links and finds every folder under the one import name."""
    name = folder if folder.startswith(("embervirt", "tests")) else f"embervirt/{folder}"
    assert f"{name}/planted.py:3: error: Incompatible types" in output["mypy"]


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_ruff_refuses_folders_as_import_names(output: dict[str, str], line: int) -> None:
    """``import actors`` and the like are refused where they are written."""
    assert re.search(rf"tests/planted_top\.py:{line}:\d+: TID251", output["ruff"])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_import_linter_sees(output: dict[str, str], contract: str) -> None:
    """Each rule about who imports whom is broken by the import that was planted for it."""
    assert f"{contract} BROKEN" in output["lint-imports"]


def test_the_layers_hold() -> None:
    """The tree as it is keeps all of those rules."""
    command = [str(BIN / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
