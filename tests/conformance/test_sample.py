"""A sample of libvirt's own test data goes through ``adapter``, which answers every corpus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "CONFORMANCE_DATA"
"""Without the prefix of the settings: a root refuses a variable that looks like one and is none."""

DATA = os.environ.get(VARIABLE, "")
EVERY = 12
"""One case of so many is taken."""

pytestmark = pytest.mark.skipif(not DATA, reason=f"{VARIABLE} does not name the directory of the data")


def sample(corpus: str, folder: Path) -> Path:
    """Some cases of a corpus, the same each time."""
    lines = (Path(DATA) / f"{corpus}.jsonl").read_text().splitlines()
    taken = folder / f"{corpus}.jsonl"
    taken.write_text("\n".join(lines if len(lines) < EVERY else lines[::EVERY]) + "\n")
    return taken


def scored(corpus: str, folder: Path, against: str) -> dict[str, Any]:
    """The totals of one corpus, as ``run.py`` counts them."""
    details = folder / "details.json"
    words: list[object] = [sys.executable, f"{DATA}/run.py", "--corpus", sample(corpus, folder)]
    words += [
        "--cmd",
        "adapter",
        "--path",
        Path(__file__).parent,
        "--python",
        sys.executable,
        "--against",
        against,
    ]
    words += ["--details", details]
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=100)
    totals: dict[str, Any] = json.loads(details.read_text())["totals"][corpus]
    return totals


@pytest.mark.parametrize(
    ("corpus", "against"),
    [
        ("domain-argv", "host"),
        ("domain-reject", "host"),
        ("domain-define", "host"),
        ("domain-xml", "host"),
        ("secret-xml", "upstream"),
    ],
)
def test_a_corpus_is_answered(corpus: str, against: str, tmp_path: Path) -> None:
    """Each case by a result, or by the library's own error in the time that it has."""
    totals = scored(corpus, tmp_path, against)
    assert totals["cases"] > totals["unsupported"] == 0
    assert (totals["crashes"], totals["timeouts"]) == (0, 0)
    assert totals["wrongly_rejected"] < max(totals["positives"], 1)


def test_secrets_are_exact(tmp_path: Path) -> None:
    """All of them read back as libvirt writes them."""
    assert scored("secret-xml", tmp_path, "upstream")["exact_pct"] == 100.0
