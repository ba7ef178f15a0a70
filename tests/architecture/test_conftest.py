"""What ``tests/conftest.py`` promises, seen in a pytest run of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
GRACE = "GRACE = 30.0"
CLEAN = '''
import subprocess, threading

def test_ends_what_it_starts():
    subprocess.run(["true"], check=True)
    thread = threading.Thread(target=print)
    thread.start()
'''
LEAKS = '''
import subprocess, threading

def test_leaves_a_child():
    subprocess.Popen(["sleep", "1000"])

def test_leaves_a_process_that_is_no_child():
    subprocess.run("setsid sleep 1001 >/dev/null 2>&1 &", shell=True, check=True)

def test_leaves_a_process_without_our_environment(tmp_path):
    subprocess.run(f"env -i setsid tail -f /dev/null {tmp_path} >/dev/null 2>&1 &", shell=True, check=True)

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, daemon=True, name="forgotten").start()
'''
GOLDEN = '''
def test_compares(golden):
    golden("deep/planted.txt", "text\\n")
'''


def run(folder: Path, module: str, *options: str, grace: str = GRACE) -> str:
    """What pytest says about a folder with our conftest, which may be impatient, and that one test module."""
    text = CONFTEST.read_text()
    assert GRACE in text
    (folder / "conftest.py").write_text(text.replace(GRACE, grace))
    (folder / "test_planted.py").write_text(module)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_a_clean_module_passes(tmp_path: Path) -> None:
    """Processes that were waited for and threads about to end are no leak."""
    assert "1 passed" in run(tmp_path, CLEAN)


def test_what_is_left_fails_its_module(tmp_path: Path) -> None:
    """Children, threads, what detached itself but has our environment or folder: all is named."""
    printed = run(tmp_path, LEAKS, "--basetemp", str(tmp_path / "base"), grace="GRACE = 0.3")
    assert "4 passed, 1 error" in printed
    for said in ("sleep 1000", "sleep 1001", f"tail -f /dev/null {tmp_path}", "<Thread(forgotten"):
        assert said in printed.split("these outlive their test module:")[-1]
    assert [p for p in psutil.process_iter() if _works_in(p, tmp_path)] == []


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder
    except psutil.Error:
        return False


def test_a_golden_file_is_compared(tmp_path: Path) -> None:
    """It must exist and be the same; the option writes it."""
    assert "no tests/golden/deep/planted.txt" in run(tmp_path, GOLDEN)
    assert "1 passed" in run(tmp_path, GOLDEN, "--rewrite-golden")
    (tmp_path / "golden" / "deep" / "planted.txt").write_text("other\n")
    assert "not as tests/golden/deep/planted.txt" in run(tmp_path, GOLDEN)
