"""``embervirt run``: one guest from its XML to its end, and nothing left of it afterwards."""

from __future__ import annotations

import selectors
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from embervirt.cli.ending import Ending, ending
from embervirt.cli.session import XML, Refused, Session, command, pass_session, text_of
from embervirt.cli.signals import Signals
from embervirt.errors import libvirtError

if TYPE_CHECKING:
    from embervirt.cli.watch import Watch
    from embervirt.drivers.qemu.messages import Lifecycle
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.domain import virDomain
    from embervirt.supervisor.identity import Identity

PAUSED_AUTODESTROY = 1 | 2
"""VIR_DOMAIN_START_PAUSED, VIR_DOMAIN_START_AUTODESTROY."""

DYING = 10.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""


Secrets = tuple[tuple[str, bytes], ...]
"""Each secret's XML and its value."""


def _secrets(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Secrets:
    return tuple(_secret(value) for value in values)


def _secret(option: str) -> tuple[str, bytes]:
    """Of ``XML,FILE``: two files, neither with a comma in its name."""
    paths = [Path(path) for path in option.split(",")]
    if len(paths) != 2:
        raise click.BadParameter(f"'{option}': expected a file of XML, a comma, and a file with the value")
    try:
        return paths[0].read_text("utf-8"), paths[1].read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"'{option}': {error}") from error


@command()
@click.argument("file", type=XML)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="XML,FILE",
    callback=_secrets,
    help="Define the secret of an XML file for this run, with the content of FILE as its value. Repeatable.",
)
@click.pass_context
@pass_session
def run(session: Session, ctx: click.Context, file: Any, secrets: Secrets) -> None:
    """Run the guest that FILE describes until it ends, with its console on this terminal.

    Ctrl-C asks the guest to power off, as SIGTERM and SIGHUP do; a second Ctrl-C kills it. Ctrl-] leaves the
    console. Without --root everything is kept in a temporary directory. The guest, its secrets and that
    directory are gone when the command ends, whatever happens.

    \b
    Exit status: 0    the guest shut down
                 1    it could not be started, or the drivers failed for good
                 3    QEMU crashed, or was killed from outside
                 130  it was killed by the second Ctrl-C
    """
    xml = text_of(file)
    with ExitStack() as undo:
        signals = undo.enter_context(Signals())
        if session.root is None:
            session.root = undo.enter_context(throwaway_root())
        processes: list[Identity] = []
        undo.callback(_ensure_gone, processes)
        conn = undo.enter_context(session.connect(make=True))
        for secret, value in secrets:
            _define(conn, secret, value, undo)
        ended, about = _run(conn, xml, signals, processes, _console_out(session))
    click.echo(f"{'error: ' if ended.status else ''}guest '{about['name']}' {ended}", err=True)
    if session.json:
        session.answer("", **about, status=ended.status, reason=ended.reason, why=ended.why)
    ctx.exit(ended.status)


def _console_out(session: Session) -> BinaryIO:
    """Standard output, unless a JSON document goes there."""
    return sys.stderr.buffer if session.json else sys.stdout.buffer


@contextmanager
def throwaway_root() -> Iterator[Path]:
    """A directory that is gone after the ``with``."""
    path = Path(tempfile.mkdtemp(prefix="embervirt-run-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _define(conn: virConnect, xml: str, value: bytes, undo: ExitStack) -> None:
    """A secret the root did not have is gone from it after the run."""
    known = conn.listSecrets()
    secret = conn.secretDefineXML(xml)
    if secret.UUIDString() not in known:
        undo.callback(secret.undefine)
    secret.setValue(value)


def _ensure_gone(processes: list[Identity]) -> None:
    """The last resort, when not even the closing connection could end QEMU: its guest's actor is down."""
    from embervirt.supervisor.identity import Process

    for identity in processes:
        process = Process.attach(identity)
        if process is not None:
            with process:
                process.signal(signal.SIGKILL)
                process.wait(DYING)


def _run(
    conn: virConnect, xml: str, signals: Signals, processes: list[Identity], out: BinaryIO
) -> tuple[Ending, dict[str, Any]]:
    """Start it paused, join the console, let it go, and wait for its end."""
    from embervirt.cli.console import Console, keyboard, pty_of
    from embervirt.cli.watch import RootFailed, Watch

    with ExitStack() as undo:
        watch = undo.enter_context(Watch(conn.root))
        domain = conn.createXML(xml, PAUSED_AUTODESTROY)
        row = conn.root.part("qemu").face.tables.running.get(domain.UUIDString())
        processes += [] if row is None else [row.process]
        guest = Run(domain, watch, signals)
        undo.callback(guest.selector.close)
        log = _Log(conn.root.paths.qemu_log / f"{domain.name()}.console.log")
        path, console = pty_of(domain.XMLDesc()), None
        if path is not None:
            keys = undo.enter_context(keyboard(interrupt=True))
            console = undo.enter_context(closing(Console(path, guest.selector, out, keys, guest.left)))
        guest.resume()
        try:
            ended = guest.wait()
        except RootFailed as failed:
            raise Refused(f"the root's supervision gave up: {failed}") from failed
        if console is not None and not guest.console_left:
            log.rest(console.copied, out)
    return ended, {"name": domain.name(), "uuid": domain.UUIDString(), "id": guest.id}


class _Log:
    """The console's log: all that QEMU wrote to the pty, of which the unread part is lost when QEMU ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = path.stat().st_size if path.exists() else 0

    def rest(self, copied: int, out: BinaryIO) -> None:
        """What came after ``copied`` bytes of this run."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._before + copied)
                out.write(log.read())
                out.flush()


class Run:
    """A guest that runs and the user's signals, until the guest has ended."""

    def __init__(self, domain: virDomain, watch: Watch, signals: Signals) -> None:
        self._domain, self._watch, self._signals = domain, watch, signals
        self.id = domain.ID()
        self._events: list[Lifecycle] = []
        self._asked = self.console_left = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(watch, selectors.EVENT_READ, self._happened)
        self.selector.register(signals, selectors.EVENT_READ, self._signalled)

    def resume(self) -> None:
        """Let it go. If it ended already, ``wait`` says how."""
        self._attempt("started", self._domain.resume)

    def wait(self) -> Ending:
        """Serve the console and the signals until the guest has ended. Raises RootFailed."""
        while (ended := ending(self._events)) is None:
            for key, mask in self.selector.select():
                if key.fd in self.selector.get_map():
                    key.data(mask)
        return ended

    def _happened(self, _: int) -> None:
        self._events += [event for event in self._watch.take() if event.id == self.id]

    def _signalled(self, _: int) -> None:
        for number in self._signals.take():
            if not self._asked:
                self._asked = True
                self._attempt("asked to power off; Ctrl-C kills it", self._domain.shutdown)
            elif number == signal.SIGINT:
                self._attempt("killed", self._domain.destroy)

    def _attempt(self, what: str, call: Callable[[], int]) -> None:
        """A guest that cannot be asked, because it ends already or its actor is down, is waited for."""
        name = self._domain.name()
        try:
            call()
        except libvirtError as error:
            click.echo(f"error: guest '{name}' could not be {what.partition(';')[0]}: {error}", err=True)
        else:
            if what != "started":
                click.echo(f"guest '{name}' is being {what}", err=True)

    def left(self, by_key: bool) -> None:
        """The guest runs on without its console."""
        self.console_left = by_key
        if by_key:
            click.echo("\nleft the console; Ctrl-C asks the guest to power off", err=True)


COMMANDS = [run]
