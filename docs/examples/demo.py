"""The main job in one minute: a real Linux guest on an encrypted disk that outlives its agent's crashes.

``make demo`` runs it. ``DEMO_KVM=1`` asks for KVM; the default, TCG, works everywhere.
"""

from __future__ import annotations

import os
import re
import runpy
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import embervirt as libvirt
from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Subscription
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.supervisor.report import ChildFailed

KVM = os.environ.get("DEMO_KVM") == "1"
LIFECYCLE = ("Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown")
SECONDS = 60.0
out = Console(highlight=False, soft_wrap=True)


def image() -> dict[str, Any]:
    """Where the test guest's files are; they are built if they are not there."""
    found = runpy.run_path(str(Path(__file__).parents[2] / "tests/guest/image.py"))
    found["ensure"]()
    return found


def encrypted_disk(conn: libvirt.virConnect, path: Path) -> str:
    """A bootable qcow2 image encrypted with LUKS; its key is known to the secret driver only. The UUID."""
    key = secrets.token_hex(16)
    kind = f"<usage type='volume'><volume>{path}</volume></usage>"
    secret = conn.secretDefineXML(f"<secret ephemeral='no' private='yes'>{kind}</secret>")
    secret.setValue(key.encode())
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(key)
        file.flush()
        luks = "encrypt.format=luks,encrypt.key-secret=key,encrypt.hash-alg=sha512,encrypt.iter-time=100"
        options = ["--object", f"secret,id=key,file={file.name}", "-f", "raw", "-O", "qcow2", "-o", luks]
        subprocess.run(["qemu-img", "convert", *options, str(image()["DISK"]), str(path)], check=True)
    return secret.UUIDString()


def guest_xml(disk: Path, secret: str) -> str:
    """A Linux guest that boots from its disk, with a serial console and a network card."""
    return f"""
    <domain type='{"kvm" if KVM else "qemu"}'>
      <name>demo</name>
      <memory unit='MiB'>128</memory>
      <vcpu>1</vcpu>
      <os>
        <type arch='x86_64' machine='q35'>hvm</type>
        <boot dev='hd'/>
      </os>
      <features><acpi/></features>
      <on_crash>restart</on_crash>
      <devices>
        <disk type='file' device='disk'>
          <driver name='qemu' type='qcow2' discard='unmap'/>
          <source file='{disk}'>
            <encryption format='luks'><secret type='passphrase' uuid='{secret}'/></encryption>
          </source>
          <target dev='vda' bus='virtio'/>
        </disk>
        <interface type='user'><model type='virtio'/></interface>
        <console type='pty'/>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
      </devices>
    </domain>"""


class Watcher:
    """Collects lines or events from a thread of its own; ``wait`` blocks until one fits."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._changed = threading.Condition()

    def add(self, item: object) -> None:
        with self._changed:
            self.seen.append(item)
            self._changed.notify_all()

    def wait(self, fits: Callable[[object], bool], after: int = 0) -> object:
        """The first item after position ``after`` that fits; RuntimeError when there is none in time."""
        deadline = time.monotonic() + SECONDS
        with self._changed:
            while not any(map(fits, self.seen[after:])):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise RuntimeError("what the demo waits for did not happen; the last it saw: "
                                       f"{self.seen[-3:]}")
            return next(item for item in self.seen[after:] if fits(item))


def step(text: str) -> None:
    out.print(f"\n[bold cyan]== {text}[/]")


def show_event(numbered: Numbered) -> None:
    """One line for each event of the root."""
    event = numbered.event()
    if isinstance(event, Lifecycle):
        why = f" ({event.why})" if event.why else ""
        out.print(f"  [green]event {numbered.seq}: {event.name} {LIFECYCLE[event.event]}{why}[/]")
    elif isinstance(event, ChildFailed):
        what = f"{event.supervisor}/{event.child}: {event.reason}, {event.decision}"
        out.print(f"  [yellow]event {numbered.seq}: {what}[/]")


@contextmanager
def watch_events(subscription: Subscription) -> Iterator[Watcher]:
    watcher = Watcher()

    def run() -> None:
        while (received := subscription.get()) is not None:
            assert isinstance(received, Numbered)
            show_event(received)
            watcher.add(received.event())

    thread = threading.Thread(target=run)
    thread.start()
    yield watcher
    subscription.cancel()
    thread.join()
    subscription.close()


def watch_console(domain: libvirt.virDomain) -> Watcher:
    """Opens the guest's pty and prints what it says until it is gone."""
    watcher = Watcher()
    path = re.search(r"<source path='(/dev/pts/\d+)'", domain.XMLDesc())
    assert path is not None, domain.XMLDesc()
    pty = os.open(path[1], os.O_RDWR | os.O_NOCTTY)

    def run() -> None:
        rest = b""
        try:
            while data := os.read(pty, 4096):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace").strip()
                    out.print(f"  [dim]console| {text}[/]", markup=True)
                    watcher.add(text)
        except OSError:
            pass  # QEMU has gone, and the pty with it
        finally:
            os.close(pty)

    threading.Thread(target=run, daemon=True).start()
    return watcher


def boot(domain: libvirt.virDomain) -> tuple[Watcher, float]:
    """Starts it, console attached from the first byte, and waits until Linux is up."""
    begun = time.monotonic()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    console = watch_console(domain)
    domain.resume()
    console.wait(lambda line: "EMBERVIRT-GUEST READY" in str(line))
    return console, time.monotonic() - begun


def ticks(console: Watcher, count: int) -> list[int]:
    """The guest's own counter, ``count`` more times."""
    found: list[int] = []
    for _ in range(count):
        line = console.wait(lambda line: str(line).startswith("uptime"), after=len(console.seen))
        found.append(int(str(line).split()[-1]))
    return found


def started(event: object) -> bool:
    return isinstance(event, Lifecycle) and event.event == libvirt.VIR_DOMAIN_EVENT_STARTED


def stopped(event: object) -> bool:
    return isinstance(event, Lifecycle) and event.event == libvirt.VIR_DOMAIN_EVENT_STOPPED


def main() -> None:
    report = Table("what was done", "what happened")
    with tempfile.TemporaryDirectory(prefix="embervirt-demo-") as directory:
        root = Path(directory, "root")
        step(f"open qemu:///embed?root={root}")
        with libvirt.open(f"qemu:///embed?root={root}") as conn, \
                watch_events(conn.root.subscribe()) as events:
            run(conn, events, report)
    out.print(report)


def run(conn: libvirt.virConnect, events: Watcher, report: Table) -> None:
    step("a disk encrypted with LUKS, its key in the secret driver; define a guest and boot from it")
    disk = Path(conn.root.paths.path).parent / "demo.qcow2"
    domain = conn.defineXML(guest_xml(disk, encrypted_disk(conn, disk)))
    console, seconds = boot(domain)
    report.add_row("boot from an encrypted disk", f"Linux ready after {seconds:.1f} s")

    step("crash the QEMU driver's actor and the guest's own actor; the guest does not notice")
    guest = f"guests/{domain.ID()}-{domain.name()}"
    before = ticks(console, 1)
    for actor in ("drivers/qemu", guest):
        mark = len(events.seen)
        conn.root.crash(actor)
        events.wait(lambda event: isinstance(event, ChildFailed), after=mark)
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    counted = before + ticks(console, 3)
    gapless = counted == list(range(counted[0], counted[0] + len(counted)))
    report.add_row("crash two actors", f"guest's counter {counted}: {'no gap' if gapless else 'A GAP'}")

    step("kill the QEMU process behind its back; on_crash says restart")
    mark = len(events.seen)
    pid_file = conn.root.paths.qemu_run / f"{domain.name()}.pid"
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    event = events.wait(stopped, after=mark)
    assert isinstance(event, Lifecycle)
    events.wait(started, after=mark)
    console = watch_console(domain)
    console.wait(lambda line: "uptime" in str(line))
    report.add_row("kill -9 QEMU", f"seen and explained: {event.why}; started again, run {domain.ID()}")

    step("ask it to power off (ACPI)")
    mark = len(events.seen)
    domain.shutdown()
    event = events.wait(stopped, after=mark)
    assert isinstance(event, Lifecycle)
    report.add_row("shut down by ACPI", f"guest powered off ({event.why}); state {domain.state()}")
    domain.undefine()


if __name__ == "__main__":
    sys.exit(main())
