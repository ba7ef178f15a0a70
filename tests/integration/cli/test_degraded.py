"""Guests that QEMU's silence, or a lost record, made hard to handle, and what became of each operation."""

from __future__ import annotations

import os
import signal

import pytest

from guest.domain import pid_of, small
from integration.cli.harness import Cli

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
XML = small("demo", uuid=UUID)


@pytest.fixture
def running(cli: Cli) -> int:
    """The pid of a guest called demo."""
    cli("define", "-", stdin=XML)
    cli("start", "demo")
    return pid_of(cli.root, "demo")


def test_a_stopped_qemu_is_listed_as_degraded_and_ended_all_the_same(cli: Cli, running: int) -> None:
    """The list says what does not work; the gentlest end that works is SIGKILL, as the operation tells."""
    os.kill(running, signal.SIGSTOP)
    (row,) = cli.json("list")
    assert (row["state"], row["degraded"]) == ("running", "monitor: no greeting for 0.5 s")
    assert "running, degraded (monitor: no greeting for 0.5 s)" in cli("list")
    assert cli.json("end", "demo", "--patience", "60")["rung"] == "SIGKILL"
    start, end = cli.json("operations")
    steps = [mark["step"] for mark in start["marks"]]
    assert (start["what"], start["state"], steps) == ("start", "done", ["spawned", "recorded"])
    steps = [mark["step"] for mark in end["marks"]]
    assert (end["what"], end["state"], steps) == ("end", "done", ["SIGKILL"])
    assert cli.json("operations", end["id"]) == [end]
    assert cli("operations", "--open").splitlines()[1:] == []


def test_an_orphan_is_listed_and_adopted_with_its_xml(cli: Cli, running: int) -> None:
    """Its record was lost: it is shown as an orphan, same process, until it is described again."""
    (cli.root / "run/qemu/demo.json").unlink()
    (row,) = cli.json("list")
    assert row["degraded"].startswith("orphan: its record is lost")
    cli("adopt", "demo", "-", stdin=XML)
    (row,) = cli.json("list")
    assert (row["degraded"], pid_of(cli.root, "demo")) == ("", running)
    cli("destroy", "demo")
