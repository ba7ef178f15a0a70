"""What a host program does with its signals, it may do with embervirt in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import kill, qemus
from guest.host import Host


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Guests that a program leaves running are ended after the test."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


SIGPIPE = """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
conn = libvirt.open(uri(ROOT))
domain = conn.defineXML(small("a"))
domain.create()
monitors, gate = conn.root.part("qemu").face.backend._loop._loop, threading.Event()
monitors.call_soon_threadsafe(gate.wait)
call = threading.Thread(target=code_of, args=(domain.suspend,))
call.start()
wait_until(lambda: len(monitors._ready))  # the command is to be written before the end is read
kill(pid_of(ROOT, "a"))
gate.set()
call.join()
wait_until(lambda: domain.isActive() == 0)
say(state=domain.state())
conn.close()
"""


def test_n03_a_program_that_sigpipe_ends_is_not_ended_by_what_we_write(root: Path) -> None:
    """A command goes to a monitor whose QEMU has just died: that is the call's error alone."""
    host = Host(root, SIGPIPE)
    assert host.hear()["state"] == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
    host.end()


CALLED_BACK = """
import subprocess
masks, told = [], threading.Event()
def callback(*about):
    masks.append(subprocess.check_output(["grep", "SigBlk", "/proc/self/status"], text=True).split()[1])
    told.set()
conn = libvirt.open(uri(ROOT))
conn.domainEventRegister(callback, None)
conn.registerCloseCallback(callback, None)
conn.createXML(small("a")).destroy()
told.wait(60)
told.clear()
conn.root.supervisor.post(lambda now: 1 / 0)
told.wait(60)
say(masks=masks)
"""


def test_n03_children_of_a_programs_callbacks_have_no_signal_blocked(root: Path) -> None:
    """Though the thread that calls back is ours, and takes none: who ends them by SIGTERM ends them."""
    host = Host(root, CALLED_BACK)
    masks = host.hear()["masks"]
    assert len(masks) >= 2
    assert {int(each, 16) for each in masks} == {0}
    host.kill()
