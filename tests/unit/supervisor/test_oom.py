"""What the counters of memory cgroups say of the OOM killer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embervirt.supervisor import oom
from embervirt.supervisor.identity import Identity
from embervirt.supervisor.oom import Group, group_of
from embervirt.supervisor.processes import Watched
from embervirt.supervisor.recorder import Spawned

FILES = {
    "v1": ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    "v2": ("memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill {}\noom_group_kill 0\n"),
}


@pytest.mark.parametrize("version", FILES)
def test_i04_kills_since_the_look_are_told_of_a_sigkill_alone(tmp_path: Path, version: str) -> None:
    """Also where nobody has the status; of no other end, of none before, of no group that is gone."""
    name, text = FILES[version]
    file = tmp_path / name
    identity = Identity("boot", 1, 1, (1, 1), "nonce")
    process = Watched(identity, Spawned(1, 1, 2, 2), "/status", Group(str(file), 2))
    for kills, told in ((2, ""), (3, ", out of memory: the OOM killer struck in its cgroup (oom_kill +1)")):
        file.write_text(text.format(kills))
        assert process.cause(-9) == f"killed by signal 9 (SIGKILL){told}"
        assert process.cause(None) == f"exit status unknown{told}"
        assert process.cause(-11) == "killed by signal 11 (SIGSEGV)"
        assert process.cause(0) == "exited with status 0"
    file.unlink()
    assert process.cause(-9) == "killed by signal 9 (SIGKILL)"


def test_i04_the_group_is_the_one_that_the_process_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whichever version has it; a process that is gone, or for which nobody counts, has none."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers in ("", "memory"):
            monkeypatch.setattr(oom, "MOUNTS", {controllers: (str(tmp_path / "mount"), "counter")})
            file = Path(f"{tmp_path}/mount{path}", "counter")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("oom 1\n")
            assert group_of(os.getpid()) is None
            file.write_text("oom 1\noom_kill 5\n")
            assert group_of(os.getpid()) == Group(str(file), 5)
            file.unlink()
            assert group_of(os.getpid()) is None
    assert group_of(1 << 22) is None
