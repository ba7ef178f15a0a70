"""Logs of consoles: one for each run, of which the last few are kept."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.qemu.service import consoles


def test_each_run_has_a_log_of_its_own(tmp_path: Path) -> None:
    """The current one has the plain name, earlier ones numbers; only so many are kept."""
    log = tmp_path / "a.console"
    for run in range(8):
        consoles.begin(log)
        assert not log.exists()
        log.write_text(f"run {run}")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    earlier = {f"a.console.{number}": f"run {7 - number}" for number in range(1, consoles.KEPT + 1)}
    assert kept == {"a.console": "run 7", **earlier}
