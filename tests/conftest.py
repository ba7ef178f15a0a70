"""What every test gets: golden files, and a check that no test module leaves a process or thread behind."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

GOLDEN = Path(__file__).parent / "golden"
MARK = "PYTEST_SESSION_OF_EMBERVIRT"
GRACE = 30.0
"""Seconds in which what a test ended may still be ending, on a busy machine."""

# The machine is shared: how long one example takes says nothing.
settings.register_profile("embervirt", deadline=None, max_examples=40)
settings.load_profile("embervirt")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--rewrite-golden``."""
    parser.addoption("--rewrite-golden", action="store_true", help="write tests/golden/ instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)`` asserts that ``tests/golden/NAME`` holds ``text``, or rewrites it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no tests/golden/{name}: make it with pytest --rewrite-golden, and look at it"
        assert text == path.read_text(), f"not as tests/golden/{name}; if meant: pytest --rewrite-golden"

    return compare


@pytest.fixture(scope="session", autouse=True)
def session_mark(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What marks a process as ours: this value in its environment, or this folder on its command line."""
    os.environ[MARK] = str(uuid.uuid4())
    return os.environ[MARK], f"{tmp_path_factory.getbasetemp()}/"


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind(session_mark: tuple[str, str]) -> Iterator[None]:
    """Fails the module whose processes or threads outlive it, and kills those processes."""
    processes, threads = _processes(*session_mark), set(threading.enumerate())
    yield
    deadline = time.monotonic() + GRACE
    left_threads = [thread for thread in set(threading.enumerate()) - threads if not _ends(thread, deadline)]
    _, left = psutil.wait_procs(_processes(*session_mark) - processes, max(0.0, deadline - time.monotonic()))
    described = [*map(_describe, left), *map(repr, left_threads)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, GRACE)
    assert not described, "\n".join(["these outlive their test module:", *described])


def _ends(thread: threading.Thread, deadline: float) -> bool:
    thread.join(max(0.0, deadline - time.monotonic()))
    return not thread.is_alive()


def _processes(mark: str, folder: str) -> set[psutil.Process]:
    """Our descendants, and whoever left the family but carries our mark."""
    mine = set(psutil.Process().children(recursive=True))
    own = os.getpid()
    return mine | {p for p in psutil.process_iter() if p.pid != own and _marked(p, mark, folder)}


def _marked(process: psutil.Process, mark: str, folder: str) -> bool:
    try:
        return process.environ().get(MARK) == mark or any(folder in word for word in process.cmdline())
    except psutil.Error:  # gone, a zombie, or another user's
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"process {process.pid}, {process.status()}: {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return f"process {process.pid}, gone meanwhile"
