"""The ladder by which a QEMU is ended: which rung fits when, and what pressing it does."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import cast

import pytest

from embervirt.drivers.qemu.service.stop import COMMANDS, KILLED, QUIT, SIGNALS, Rung, rungs, stays, whole
from embervirt.supervisor.identity import Identity, Process

WHO = Identity("boot", 77, 1, (1, 1), "nonce")
NAMES = ["ACPI", "quit", "SIGTERM", "SIGKILL"]


@dataclass
class Fake:
    """A process that notes what it was sent."""

    stopped: bool = False
    sent: list[int] = field(default_factory=list)
    identity: Identity = WHO

    def signal(self, number: int) -> bool:
        self.sent.append(number)
        return True


def fitting(*, stopped: bool = False, hears: bool = True, runs: bool = True) -> list[str]:
    """The rungs that fit."""
    process = cast("Process", Fake(stopped))
    return [name for name in NAMES if Rung(name, 1.0).fits(process, hears=hears, runs=runs)]


def test_the_whole_ladder_goes_from_the_power_button_to_sigkill() -> None:
    """Each rung with its time."""
    found = [(rung.name, rung.seconds) for rung in whole(60.0, 10.0)]
    assert found == [("ACPI", 60.0), ("quit", QUIT), ("SIGTERM", 10.0), ("SIGKILL", KILLED)]
    assert {*COMMANDS, *SIGNALS} == set(NAMES)


def test_a_graceful_destroy_never_kills() -> None:
    """It has one rung."""
    assert [rung.name for rung in rungs(True, 5.0)] == ["SIGTERM"]
    assert [rung.name for rung in rungs(False, 5.0)] == ["SIGTERM", "SIGKILL"]


def test_a_rung_that_cannot_work_does_not_fit() -> None:
    """A stopped process obeys SIGKILL alone; who cannot be told is signalled; who is paused has no button."""
    assert fitting() == NAMES
    assert fitting(stopped=True) == ["SIGKILL"]
    assert fitting(hears=False) == ["SIGTERM", "SIGKILL"]
    assert fitting(runs=False) == ["quit", "SIGTERM", "SIGKILL"]
    assert fitting(stopped=True, hears=False, runs=False) == ["SIGKILL"]


@pytest.mark.parametrize(
    ("name", "told", "sent"),
    [
        ("ACPI", ["system_powerdown"], []),
        ("quit", ["quit"], []),
        ("SIGTERM", [], [signal.SIGTERM]),
        ("SIGKILL", [], [signal.SIGKILL]),
    ],
)
def test_pressing_a_rung_is_one_command_or_one_signal(name: str, told: list[str], sent: list[int]) -> None:
    """And never both; only the power button leaves the guest a choice."""
    process, commands = Fake(), list[str]()
    Rung(name, 1.0).press(cast("Process", process), commands.append)
    assert (commands, process.sent) == (told, sent)
    assert Rung(name, 1.0).final == (name != "ACPI")


def test_what_stays_is_told_in_libvirts_words() -> None:
    """With the pid, the last rung and EBUSY."""
    error = stays(cast("Process", Fake()), rungs(False, 1.0))
    assert str(error) == "Failed to terminate process 77 with SIGKILL: Device or resource busy"
    assert (error.get_error_code(), error.get_int1()) == (38, 16)
