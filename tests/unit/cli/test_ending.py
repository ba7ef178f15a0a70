"""Exit status and words for the end of a guest."""

from __future__ import annotations

import pytest

from embervirt.cli.ending import Ending, Report, concerns, ending
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.supervisor.report import ChildFailed


def happened(event: int, detail: int, why: str = "", id_: int = 1) -> Lifecycle:
    """A lifecycle event of the guest ``demo``."""
    return Lifecycle("demo", "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b", id_, event, detail, why)


def failed(decision: str, child: str = "1-demo", supervisor: str = "root/guests") -> ChildFailed:
    """The report of an actor's failure."""
    return ChildFailed(supervisor, "child_terminated", "crash: bug", child, 3, 2, decision, "")


STARTED, RESUMED = happened(2, 0), happened(4, 0)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], None),
        ([STARTED, RESUMED], None),
        ([STARTED, happened(6, 1, "guest-shutdown"), happened(5, 0, "exited: 0")], (0, "shut down")),
        ([happened(6, 1)], None),
        ([happened(5, 1, "exited with status 0")], (130, "killed")),
        ([happened(6, 1), happened(5, 1)], (130, "killed")),
        ([happened(5, 5, "killed by signal 9 (SIGKILL)")], (3, "crashed: killed by signal 9 (SIGKILL)")),
        ([happened(5, 2)], (3, "crashed")),
        (
            [happened(6, 2, "host-signal"), happened(5, 0, "exited with status 0")],
            (3, "was ended from outside: host-signal; exited with status 0"),
        ),
        ([failed("restart now")], None),
        ([failed("give up: 16 in 60 s")], (1, "is out of control: crash: bug; give up: 16 in 60 s")),
        ([failed("give up: 16 in 60 s"), happened(5, 1)], (130, "killed")),
    ],
)  # fmt: skip
def test_a_guests_end_has_a_status_and_words(reports: list[Report], expected: tuple[int, str] | None) -> None:
    """Shut down is 0, crashed or ended by others 3, killed by the user 130, out of control 1."""
    found = ending(reports)
    assert (None if found is None else (found.status, str(found))) == expected


def test_only_reports_of_the_guest_itself_concern_it() -> None:
    """Another guest's events, an earlier run's and a driver's failures say nothing of this guest."""
    assert concerns(happened(5, 0), 1, "demo")
    assert concerns(failed("give up"), 1, "demo")
    assert not concerns(happened(5, 0, id_=2), 1, "demo")
    assert not concerns(failed("give up", child="2-demo"), 1, "demo")
    assert not concerns(failed("give up", child="1-demo", supervisor="root/drivers"), 1, "demo")


def test_an_ending_without_a_cause_is_its_reason() -> None:
    """No colon is left behind when nothing more is known."""
    assert str(Ending(3, "crashed")) == "crashed"
