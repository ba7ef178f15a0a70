"""What the fake QEMU reads of QEMU's arguments."""

from __future__ import annotations

import pytest

from embervirt.testing.arguments import read

MONITOR = ["-chardev", "socket,id=m,fd=7,server=on,wait=on", "-mon", "chardev=m,mode=control"]


def test_it_reads_what_its_monitor_tells_of() -> None:
    """Name, UUID, processors, flags, the monitor, ptys; the rest is passed over."""
    words = ["-name", "guest=a,debug-threads=on", "-S", "-object", '{"id":"x"}', "-smp", "2,sockets=2"]
    found = read(
        [*words, "-uuid", "u", "-no-shutdown", *MONITOR, "-chardev", "pty,id=p", "-chardev", "null,id=n"]
    )
    assert (found.name, found.uuid, found.cpus, found.stopped, found.stays) == ("a", "u", 2, True, True)
    assert (found.monitor, found.monitor_label, found.listens, found.ptys) == (7, "m", True, ("p",))


def test_it_reads_what_a_probe_gives() -> None:
    """A socket that is connected, and no name."""
    found = read(["-machine", "none", "-chardev", "socket,id=m,fd=7", "-mon", "chardev=m,mode=control"])
    assert (found.name, found.listens, found.stopped, found.cpus) == (None, False, False, 1)


@pytest.mark.parametrize(
    ("given", "name"), [("guest=a,,b", "a,b"), ("a=b", None), ("a", "a"), ("guest=a=b,x=y", "a=b")]
)
def test_a_name_may_have_commas(given: str, name: str | None) -> None:
    """They stand twice."""
    assert read(["-name", given, *MONITOR]).name == name


@pytest.mark.parametrize("words", [[], MONITOR[:2], MONITOR[2:], ["-chardev", "null,id=m", *MONITOR[2:]]])
def test_without_a_monitor_it_is_of_no_use(words: list[str]) -> None:
    """And says what it expects."""
    with pytest.raises(ValueError, match="no monitor: expected -chardev"):
        read(words)
