"""Short soaks: what ``make soak`` does for half an hour, and restarts as fast as they come."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.supervisor.report import Node
from guest.domain import qemus, small, uri, wait_until
from guest.image import ensure
from soak.agent import actors, settled
from soak.driver import Soak
from soak.eyes import sample
from soak.growth import ENOUGH, RULES, Sample, growth
from soak.nemesis import Shape

SECONDS = float(os.environ.get("SOAK_SECONDS", "25"))
SEED = os.environ.get("SOAK_SEED", "o03")
RESTARTS = 4.0
"""Seconds of restarts of one kind of children."""

GUESTS = ("a", "b", "c")
AT_ONCE = {
    "supervision.backoff_initial": 0.001,
    "supervision.backoff_cap": 0.001,
    "supervision.driver_intensity": 10_000,
    "supervision.guest_intensity": 10_000,
    "events.journal_size": 20,
}
"""No delay before a restart, no budget of them, a journal that is full at once."""


def test_o03_every_answer_is_explained_whatever_is_killed_and_stopped(tmp_path: Path) -> None:
    """Calls of 8 threads on real QEMUs; QEMUs, actors and the program killed, stopped, reopened."""
    ensure()
    shape = Shape(SECONDS, SEED, domains=8, reopen=6.0, freeze=6.0, kill=1.0, stop=1.0, lives=(3.0, 5.0))
    soak = Soak(shape, tmp_path / "root", tmp_path)
    problems = soak.run()
    assert problems == [], "\n".join(problems)
    wait_until(lambda: soak.left() == [])  # the recorder of the last QEMU ends a moment after it
    counts = soak.judge.counts
    assert counts["calls"] > 20 * SECONDS and soak.eyes.seen > SECONDS
    assert all(counts[kind] for kind in ("kill", "stop", "crash", "reopen", "freeze", "end")), counts


@pytest.mark.parametrize("kind", ["", "guests/", "drivers/", "events"])
def test_o06_restarts_leave_nothing_behind(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A random child, of all or of a kind, is restarted as fast as it goes: what the program uses is flat."""
    caplog.set_level("CRITICAL", "embervirt")  # what pytest keeps of the log grows
    root, chooser = tmp_path / "root", random.Random("o06")
    with libvirt.open(uri(root), settings=AT_ONCE) as conn:
        domains = [conn.defineXML(small(name)) for name in GUESTS]
        for domain in domains:
            domain.create()
        samples, begun = list[Sample](), time.monotonic()
        for number in itertools.count(1):
            if time.monotonic() > begun + RESTARTS and len(samples) >= 2 * ENOUGH:
                break
            if not kind and number % 10 == 0:
                again(chooser.choice(domains))
            restart(conn, kind, chooser)
            samples.append(sample(os.getpid(), root, len(GUESTS)))
        for domain in domains:
            domain.destroy()
    grown = [growth(name, samples) for name in RULES]
    assert len(samples) >= ENOUGH
    assert [each for each in grown if not each.flat] == []
    assert qemus(root) == []


def again(domain: libvirt.virDomain) -> None:
    """The child is a QEMU."""
    domain.destroy()
    domain.create()


def restart(conn: libvirt.virConnect, kind: str, chooser: random.Random) -> None:
    """The child is an actor; returns once it and all that went down with it are up."""
    root = conn.root
    path = chooser.choice([each for each in actors(root.tree()) if each.startswith(kind)])
    before, pause = generation(root.tree(), path), threading.Event()
    root.crash(path)
    wait_until(lambda: generation(root.tree(), path) != before or pause.wait(0.001))
    wait_until(lambda: settled(conn))


def generation(node: Node, path: str) -> int:
    """Of the child with that path, 0 when there is none."""
    for word in path.split("/"):
        found = next((child for child in node.children if child.id == word), None)
        if found is None:
            return 0
        node = found
    return node.generation
