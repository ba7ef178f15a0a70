"""A root that is closed while a guest starts: the guest runs and is found, or is off and leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from guest.calls import began, threads
from guest.domain import kill, pid_of, qemus, small, uri, wait_until

LONG = 60.0
STEPS = {
    "before QEMU": ("process.spawning", {}, False),
    "QEMU, which nobody knows": ("process.spawned", {}, False),
    "QEMU, not on record": ("journal.mark", {"step": "spawned"}, False),
    "QEMU on record": ("journal.mark", {"step": "recorded"}, True),
    "QEMU before its guest": ("qmp.sent", {"command": "cont"}, True),
}
"""A fault point, and whether the guest is on record by then."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Of a test; whatever runs in the end is killed."""
    yield tmp_path / "root"
    for left in qemus(tmp_path / "root"):
        kill(left)


@pytest.mark.parametrize("given_up", [False, True], ids=["in-time", "given-up"])
@pytest.mark.parametrize("step", STEPS)
def test_e11_a_close_during_a_start_leaves_nothing_half_made(root: Path, step: str, given_up: bool) -> None:
    """A start that ends in time has its guest; of one that is given up the guest stays if it is on record."""
    point, where, recorded = STEPS[step]
    conn = libvirt.open(uri(root), settings={"supervision.shutdown_timeout": 0.2 if given_up else LONG})
    domain = conn.defineXML(small("a"))
    with faults.inject(point, faults.hang(), times=1, where=where) as hung:
        starting = began(domain.create)
        hung.wait()
        closing = began(conn.close)
        if given_up:
            assert closing.result(LONG) == 0
        hung.release()
    assert closing.result(LONG) == 0
    wait_until(lambda: threads("guest/1") == 0)
    failed = starting.exception(LONG)
    assert isinstance(failed, libvirt.libvirtError) or (failed is None and not given_up)
    with libvirt.open(uri(root)) as again:
        domain = again.lookupByName("a")
        assert domain.isActive() == (recorded or not given_up)
        assert qemus(root) == ([pid_of(root, "a")] if domain.isActive() else [])
        assert [each for each in again.root.journal.values() if each.state == "open"] == []
        if domain.isActive():
            assert (domain.state()[0], domain.messages()) == (libvirt.VIR_DOMAIN_RUNNING, [])
            domain.destroy()
        domain.create()
        domain.destroy()
    assert qemus(root) == []
