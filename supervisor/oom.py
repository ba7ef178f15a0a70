"""Whether a process was ended for want of memory: its memory cgroup counts whom the OOM killer took of it.

The kernel ends it by SIGKILL, as anybody may, and tells nobody who waits for it. The counter, ``oom_kill``,
is in ``memory.events`` of cgroup v2 (the kernel's admin-guide/cgroup-v2.rst), in ``memory.oom_control`` of v1
(cgroup-v1/memory.rst); the killer counts there too when it is the whole host that has no memory left.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from embervirt.supervisor import proc

MOUNTS = {"memory": ("/sys/fs/cgroup/memory", "memory.oom_control"), "": ("/sys/fs/cgroup", "memory.events")}
"""By controllers as proc's ``cgroup`` has them (cgroups(7)), v2 having none: where systemd mounts it, and the
file with the counter."""

COUNTER = "oom_kill"


class Group(msgspec.Struct, frozen=True):
    """The file of a group's counter, and what it said when somebody looked."""

    file: str
    kills: int

    def kills_since(self) -> int:
        """How many of this group the killer took after that; 0 when the group is gone."""
        now = _kills(Path(self.file))
        return 0 if now is None else max(0, now - self.kills)


def group_of(pid: int) -> Group | None:
    """As it is now; None when that cannot be told, or nobody counts for it."""
    try:
        lines = proc.read(pid, "cgroup").decode(errors="surrogateescape").splitlines()
    except OSError:  # no descriptor is left: a start does not fail of that
        return None
    for _, controllers, path in (line.split(":", 2) for line in lines):
        mount, name = MOUNTS.get(controllers, ("", ""))
        file = Path(f"{mount}{path}", name)
        kills = _kills(file) if mount else None
        if kills is not None:
            return Group(str(file), kills)
    return None


def _kills(file: Path) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:  # no such group, or one that we may not read
        return None
    counters = dict(line.split(" ", 1) for line in lines)
    return int(counters[COUNTER]) if COUNTER in counters else None
