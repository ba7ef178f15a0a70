"""A guest under ``embervirt run``, with a domain and a watch that are played by the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest

from embervirt.cli.ending import Report
from embervirt.cli.running import Log, Run
from embervirt.cli.signals import Signals
from embervirt.cli.watch import Watch
from embervirt.drivers.qemu.errors import DomainNotRunning
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.errors import Quarantined, libvirtError
from embervirt.libvirt.domain import virDomain

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"


class Domain:
    """Stands for a running domain: notes what it is asked, or raises what ``errors`` has for it."""

    def __init__(self, **errors: libvirtError) -> None:
        self.asked: list[str] = []
        self._errors = errors

    def name(self) -> str:
        """Its name."""
        return "demo"

    def ID(self) -> int:  # noqa: N802
        """Its id."""
        return 1

    def _asked(self, what: str) -> int:
        self.asked.append(what)
        if what in self._errors:
            raise self._errors[what]
        return 0

    def resume(self) -> int:
        """It runs; what the test has typed already comes now."""
        return self._asked("resume")

    def shutdown(self) -> int:
        """The power button; a second Ctrl-C follows."""
        os.kill(os.getpid(), signal.SIGINT)
        return self._asked("shutdown")

    def destroy(self) -> int:
        """Its end."""
        return self._asked("destroy")


class Played:
    """Stands for a watch: its descriptor is readable as soon as there is a report."""

    def __init__(self) -> None:
        self._reports: list[Report] = []
        self._wake = os.eventfd(0)

    def fileno(self) -> int:
        """For the selector."""
        return self._wake

    def put(self, event: int, detail: int) -> None:
        """A lifecycle event of the guest."""
        self._reports.append(Lifecycle("demo", UUID, 1, event, detail))
        os.eventfd_write(self._wake, 1)

    def take(self) -> list[Report]:
        """All of them."""
        os.eventfd_read(self._wake)
        taken, self._reports = self._reports, []
        return taken

    def close(self) -> None:
        """Its descriptor."""
        os.close(self._wake)


@pytest.fixture
def watch() -> Iterator[Played]:
    """A watch that says what the test wants."""
    played = Played()
    yield played
    played.close()


def run(domain: Domain, watch: Played, *numbers: int) -> tuple[int, str]:
    """Status and words of the end of a guest that is run while these signals wait."""
    with Signals() as signals:
        guest = Run(cast(virDomain, domain), cast(Watch, watch), signals)
        for number in numbers:
            os.kill(os.getpid(), number)
        ended = guest.go()
        guest.close()
    return ended.status, str(ended)


def test_a_guest_that_ends_by_itself_is_not_asked_for_anything(watch: Played) -> None:
    """It is let go, and its end is waited for."""
    domain = Domain()
    watch.put(5, 0)
    assert run(domain, watch) == (0, "shut down")
    assert domain.asked == ["resume"]


def test_a_guest_that_ended_before_it_ran_has_an_end(watch: Played) -> None:
    """That it cannot be let go any more is no error: the events say how it ended."""
    watch.put(5, 5)
    assert run(Domain(resume=DomainNotRunning("domain is not running")), watch) == (3, "crashed")


def test_a_guest_that_cannot_be_let_go_is_an_error(watch: Played) -> None:
    """Any other refusal ends the run."""
    with pytest.raises(Quarantined, match="failed too often"):
        run(Domain(resume=Quarantined("failed too often")), watch)


def test_a_guest_nobody_can_destroy_ends_with_the_connection(
    watch: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its actor out of order, the first Ctrl-C says so, and the second one still ends the run."""
    domain = Domain(shutdown=Quarantined("failed too often"), destroy=Quarantined("failed too often"))
    status, words = run(domain, watch, signal.SIGTERM)
    assert (status, words) == (130, "killed: operation failed: failed too often")
    assert domain.asked == ["resume", "shutdown", "destroy"]
    assert capsys.readouterr().err == (
        "error: guest 'demo' cannot be asked to power off: operation failed: failed too often;"
        " Ctrl-C kills it\n"
    )


@pytest.mark.parametrize(("copied", "rest"), [(0, b"this run"), (5, b"run"), (8, b""), (9, b"")])
def test_the_log_has_what_the_console_had_no_time_to_say(tmp_path: Path, copied: int, rest: bytes) -> None:
    """Only of this run, and only what came after what was copied."""
    path = tmp_path / "demo.console"
    path.write_bytes(b"earlier run\n")
    log, out = Log(path), BytesIO()
    with path.open("ab") as written:
        written.write(b"this run")
    log.rest(copied, out)
    assert out.getvalue() == rest


def test_a_root_without_console_logs_says_no_more(tmp_path: Path) -> None:
    """With the setting ``qemu.console_log`` off there is no such file."""
    out = BytesIO()
    Log(tmp_path / "demo.console").rest(3, out)
    assert out.getvalue() == b""
