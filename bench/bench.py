"""Figures, each as a ratio to a floor measured in the same run. ``make bench``; nothing here is a test.

The floor of a start is the same command line spawned by hand, its QMP greeting and ``cont``; of a
destroy, ``quit`` and the end of the process.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import zmq
from rich.console import Console
from rich.table import Table

import embervirt as libvirt
from embervirt.actors.event_log import Mark
from embervirt.actors.exchange import ACTORS, CALLS, Exchange, send
from embervirt.actors.exchange import socket as zmq_socket
from embervirt.actors.messages import Numbered

ROUNDS = 15
XML = """
<domain type='qemu'><name>bench</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><console type='pty'/></devices></domain>"""


def milliseconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


class ByHand:
    """The guest's own command line, without embervirt."""

    def __init__(self, pid: int, domain_dir: Path, copy: Path) -> None:
        shutil.copytree(domain_dir, copy, ignore=shutil.ignore_patterns("*.sock"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self._argv = [word.replace(str(domain_dir), str(copy)) for word in words]
        self._path = str(copy / "hand.sock")

    def start(self) -> None:
        """Up to the reply to ``cont``."""
        listening = socket.socket(socket.AF_UNIX)
        Path(self._path).unlink(missing_ok=True)
        listening.bind(self._path)
        listening.listen(1)
        near = socket.socket(socket.AF_UNIX)
        near.connect(self._path)
        number, null = listening.fileno(), subprocess.DEVNULL
        argv = [re.sub(r"^(socket,id=charmonitor,fd=)\d+", rf"\g<1>{number}", word) for word in self._argv]
        self._process = subprocess.Popen(argv, pass_fds=[number], stdin=null, stdout=null, stderr=null)
        listening.close()
        self._file = near.makefile("rw")
        self._file.readline()
        self._command("qmp_capabilities")
        self._command("cont")

    def _command(self, name: str) -> None:
        self._file.write(json.dumps({"execute": name}) + "\n")
        self._file.flush()
        while "return" not in json.loads(self._file.readline()):
            pass

    def quit(self) -> None:
        """Up to the end of the process."""
        self._file.write('{"execute": "quit"}\n')
        self._file.flush()
        self._process.wait()


def lifecycle(conn: libvirt.virConnect, directory: Path, table: Table) -> None:
    """Start and destroy against the floor, in turn."""
    domain = conn.defineXML(XML)
    domain.create()
    pid = int((conn.root.paths.qemu_run / "bench.pid").read_text())
    hand = ByHand(pid, conn.root.paths.domain_dir(domain.ID(), "bench"), directory / "hand")
    domain.destroy()
    rows = [
        [milliseconds(step) for step in (domain.create, domain.destroy, hand.start, hand.quit)]
        for _ in range(ROUNDS)
    ]
    start, destroy, floor_start, floor_quit = (statistics.median(each) for each in zip(*rows, strict=True))
    ratio = f"{start / floor_start:.2f} x (at most 2)"
    table.add_row("start, ms", f"{start:.1f}", f"{floor_start:.1f}", ratio)
    more = destroy - floor_quit
    table.add_row("destroy, ms", f"{destroy:.1f}", f"{floor_quit:.1f}", f"{more:+.1f} ms (at most +20)")


def reads(conn: libvirt.virConnect, table: Table) -> None:
    """``state`` of a running guest against a look-up in a dict."""
    domain = conn.createXML(XML.replace("bench", "reader"))
    times, plain = 20_000, {"key": 1}
    read = milliseconds(lambda: [domain.state() for _ in range(times)]) * 1000 / times
    floor = milliseconds(lambda: [plain.get("key") for _ in range(times)]) * 1000 / times
    domain.destroy()
    table.add_row("state, us", f"{read:.2f}", f"{floor:.2f}", f"{read:.2f} us (at most 3)")


def round_trips(conn: libvirt.virConnect, table: Table) -> None:
    """A typed call to an actor against an echo through the same exchange."""
    bus, times = conn.root.bus, 3000
    call = milliseconds(lambda: [bus.call("events", Mark(b"")) for _ in range(times)]) * 1000 / times
    floor = _echo(times)
    table.add_row("call, us", f"{call:.0f}", f"{floor:.0f}", f"{call / floor:.2f} x")


def _echo(times: int) -> float:
    import threading

    exchange = Exchange()
    server = zmq_socket(exchange.context, zmq.DEALER, b"echo")
    server.connect(ACTORS)
    client = zmq_socket(exchange.context, zmq.DEALER, b"client")
    client.connect(CALLS)

    def serve() -> None:
        for _ in range(times):
            send(server, *server.recv_multipart())
        server.close(0)

    def ask() -> None:
        for _ in range(times):
            send(client, b"echo", b"header", b"body")
            client.recv_multipart()

    thread = threading.Thread(target=serve)
    thread.start()
    spent = milliseconds(ask) * 1000 / times
    thread.join()
    client.close(0)
    exchange.close(5.0)
    return spent


def restart(directory: Path, table: Table) -> None:
    """A call to a driver's actor right after its first crash, against the same call without a crash."""
    crashed, plain = zip(*(_first_crash(directory / f"restart-{n}") for n in range(5)), strict=True)
    more = statistics.median(crashed) - statistics.median(plain)
    figures = f"{statistics.median(crashed):.1f}", f"{statistics.median(plain):.1f}"
    table.add_row("define after a crash, ms", *figures, f"{more:+.1f} ms (at most +10)")


def _first_crash(root: Path) -> tuple[float, float]:
    with libvirt.open(f"qemu:///embed?root={root}") as conn, conn.root.subscribe() as events:
        xml = conn.defineXML(XML).XMLDesc()
        plain = milliseconds(lambda: conn.defineXML(xml))

        def crash_and_call() -> None:
            conn.root.crash("drivers/qemu")
            while isinstance(received := events.get(), Numbered) and "ChildFailed" not in received.kind:
                pass
            conn.defineXML(xml)

        return milliseconds(crash_and_call), plain


AGENT = """
import sys
import embervirt as libvirt
conn = libvirt.open(sys.argv[1])
for number in range(20):
    conn.createXML(sys.argv[2].replace("bench", f"guest{number}"))
print("up", flush=True)
sys.stdin.read()
"""


def adoption(directory: Path, table: Table) -> None:
    """Twenty guests whose agent was killed: the next open, against one of the same root without guests."""
    uri = f"qemu:///embed?root={directory}/adopted"
    argv = [sys.executable, "-c", AGENT, uri, XML]
    spent = []
    for _ in range(3):
        agent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert agent.stdout is not None and agent.stdout.readline() == b"up\n"
        agent.kill()
        agent.communicate()
        begun = time.perf_counter()
        with libvirt.open(uri) as conn:
            spent.append(time.perf_counter() - begun)
            for domain in conn.listAllDomains():
                domain.destroy()
    floor = min(milliseconds(lambda: libvirt.open(uri).close()) for _ in range(5)) / 1000
    took = statistics.median(spent)
    ratio = f"{took:.2f} s (at most 0.25)"
    table.add_row("adopt 20 guests, ms", f"{took * 1000:.0f}", f"{floor * 1000:.0f}", ratio)


def roots(directory: Path, table: Table) -> None:
    """Open and close of a root."""
    uri, times = f"secret:///embed?root={directory}/cycles", 100
    spent = milliseconds(lambda: [libvirt.open(uri).close() for _ in range(times)]) / times
    table.add_row("open and close a root, ms", f"{spent:.2f}", "", "")


def main() -> None:
    table = Table("what", "embervirt", "floor", "ratio")
    with tempfile.TemporaryDirectory(prefix="embervirt-bench-") as name:
        directory = Path(name)
        with libvirt.open(f"qemu:///embed?root={directory}/root") as conn:
            lifecycle(conn, directory, table)
            reads(conn, table)
            round_trips(conn, table)
        restart(directory, table)
        adoption(directory, table)
        roots(directory, table)
    Console().print(table)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
