"""What the design rests on, as it was measured once, of QEMU; the rest is in ``tests/faults``."""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from embervirt.drivers.root import sockets
from guest.domain import wait_until
from guest.qmp import Client, Emulator, emulators

QEMU = Path("/usr/bin/qemu-system-x86_64")
SHORT = 0.3
"""Seconds in which a QEMU that answers has answered many times."""

Make = Callable[..., Emulator]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """QEMUs without a guest, each in a directory of its own; gone at the end."""
    with emulators(tmp_path) as start:
        yield partial(start, QEMU)


def silent(client: Client, seconds: float = SHORT) -> bool:
    """Whether nothing comes for so long."""
    return not select.select([client.socket], [], [], seconds)[0]


def status(client: Client) -> str:
    """As QEMU says it."""
    return str(client.value("query-status")["status"])


def events(messages: list[dict[str, Any]]) -> list[str]:
    """Their names, and "return" for a reply."""
    return [each.get("event", "return") for each in messages]


def test_p12_a_busy_monitor_lets_a_second_client_wait(make: Make) -> None:
    """It is connected, and greeted when the first is gone."""
    qemu = make()
    first, second = qemu.client().negotiate(), qemu.client()
    assert silent(second)
    first.close()
    assert "QMP" in (second.hear() or {})


def test_p13_what_happens_without_a_client_is_not_told_to_the_next(make: Make, tmp_path: Path) -> None:
    """Paused by another monitor meanwhile: the state says so, no event does."""
    qemu = make("-qmp", f"unix:{tmp_path}/other,server=on,wait=off")
    ours = qemu.client().negotiate()
    other = Client(tmp_path / "other").negotiate()
    other.ask("cont")
    assert (ours.hear() or {})["event"] == "RESUME"
    ours.close()
    other.ask("stop")
    again = qemu.client().negotiate()
    assert (silent(again), status(again)) == (True, "paused")
    other.close()


def test_p14_a_stopped_qemu_hears_nothing_but_sigkill(make: Make) -> None:
    """No greeting, and SIGTERM waits until it goes on."""
    qemu = make()
    qemu.client().negotiate().close()
    qemu.signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(qemu.child.pid).status() == psutil.STATUS_STOPPED)
    assert silent(qemu.client())
    qemu.signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        qemu.child.wait(SHORT)
    qemu.signal(signal.SIGKILL)
    assert qemu.status() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("how", "told", "code"),
    [
        ("quit", ["return", "SHUTDOWN"], 0),
        (signal.SIGTERM, ["SHUTDOWN"], 0),
        (signal.SIGKILL, [], -signal.SIGKILL),
    ],
)
def test_p15_an_end_is_told_by_what_comes_before_it(make: Make, how: Any, told: list[str], code: int) -> None:
    """A ``quit`` has a reply and an event, SIGTERM an event, and SIGKILL, like a crash, nothing."""
    qemu = make()
    client = qemu.client().negotiate()
    if how == "quit":
        client.say({"execute": "quit"})
    else:
        qemu.signal(how)
    assert sorted(events(client.rest())) == sorted(told)
    assert qemu.status() == code


def listens(path: Path, but: int) -> bool:
    """Whether somebody does by another inode: the name goes, and is there a moment before."""
    try:
        if path.stat().st_ino == but:
            return False
        sockets.connect(path).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def test_p16_a_second_qemu_takes_a_monitors_path_over(make: Make, tmp_path: Path) -> None:
    """Silently: both run, and the first cannot be reached any more."""
    path = tmp_path / "monitor"
    option = ("-qmp", f"unix:{path},server=on,wait=off")
    first = make(*option, "-name", "guest=first")
    wait_until(path.exists)
    before = path.stat().st_ino
    second = make(*option, "-name", "guest=second")
    wait_until(lambda: listens(path, but=before))
    client = Client(path).negotiate()
    assert client.value("query-name") == {"name": "second"}
    assert [each.child.poll() for each in (first, second)] == [None, None]
    client.close()


def status_for_the_next(qemu: Emulator) -> str:
    """As a new client learns it: what it did not ask for it passes over."""
    client = qemu.client()
    for request in ({"execute": "qmp_capabilities", "id": 1}, {"execute": "query-status", "id": 2}):
        client.say(request)
    while (heard := client.hear() or {}).get("id") != 2:
        assert heard, "the connection ended"
    return str(heard["return"]["status"])


@pytest.mark.parametrize("at_once", [False, True])
def test_p17_a_command_whose_reply_is_lost_may_have_happened(make: Make, at_once: bool) -> None:
    """It has, if QEMU came to it before it saw the end of the connection; else QEMU dropped it.

    Its reply may come to the next client: therefore no two sessions may use the same ids.
    """
    qemu = make()
    client = qemu.client().negotiate()
    client.say({"execute": "cont"})
    if not at_once:
        assert select.select([client.socket], [], [], 20)[0]
    client.close()
    assert status_for_the_next(qemu) in (("running", "prelaunch") if at_once else ("running",))


def test_p18_what_is_made_twice_is_refused_by_its_id(make: Make) -> None:
    """The words that say that it is there already; ``cont`` twice is no error."""
    client = make().client().negotiate()
    null = {"backend": {"type": "null", "data": {}}}
    made: list[tuple[str, dict[str, Any], str]] = [
        ("blockdev-add", {"driver": "null-co", "node-name": "n"}, "Duplicate nodes with node-name='n'"),
        ("object-add", {"qom-type": "memory-backend-ram", "id": "m", "size": 1 << 20}, "duplicate property"),
        ("netdev_add", {"type": "user", "id": "d"}, "Duplicate ID 'd'"),
        ("chardev-add", {"id": "c", **null}, "already exists"),
    ]
    for command, arguments, said in made:
        assert "return" in client.ask(command, **arguments)[-1], command
        assert said in client.ask(command, **arguments)[-1]["error"]["desc"]
    for _ in range(2):
        assert "return" in client.ask("cont")[-1]


def test_p27_a_killed_qemu_leaves_its_pid_file_and_no_lock_on_its_image(make: Make, tmp_path: Path) -> None:
    """While it runs a second one is refused the image, at its start."""
    image, pid_file = tmp_path / "image", tmp_path / "pid"
    image.write_bytes(b"\0" * (1 << 20))
    drive = ("-drive", f"file={image},format=raw,if=virtio")
    qemu = make(*drive, "-pidfile", str(pid_file))
    qemu.client().negotiate()
    second = make(*drive)
    assert second.status() == 1
    assert 'Failed to get "write" lock' in second.output.read_text()
    qemu.signal(signal.SIGKILL)
    assert qemu.status() == -signal.SIGKILL
    assert int(pid_file.read_text()) == qemu.child.pid
    make(*drive).client().negotiate()
