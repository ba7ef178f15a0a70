"""The start of a guest: directories, key, command line, process, record, ``cont``; or nothing at all."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from embervirt import world
from embervirt.actors.fence import Fenced
from embervirt.drivers.qemu import parts, states
from embervirt.drivers.qemu.backend.protocol import MONITOR_SOCKET, Command, Session
from embervirt.drivers.qemu.errors import LaunchFailed, MonitorLost, MonitorTimeout
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import interface, memballoon, throttle
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.ports import with_sockets
from embervirt.drivers.qemu.service import (
    access,
    cards,
    chains,
    consoles,
    describe,
    files,
    leases,
    listening,
    nvram,
    pinning,
    prepare,
    running,
    screens,
    stop,
    tpm,
    volumes,
    vsock,
)
from embervirt.drivers.qemu.service.keys import Call, MasterKey
from embervirt.drivers.qemu.store import Record, Store
from embervirt.drivers.root.descriptors import spare_standard
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.journal import Operating
from embervirt.drivers.root.paths import below
from embervirt.drivers.xml import render
from embervirt.supervisor.identity import Process
from embervirt.supervisor.processes import Watched

EXIT_STATUS = "exit-status"


Callbacks = tuple[Callable[[dict[str, Any]], None], Callable[[Exception | None], None]]
"""For events and for the session's end; called on the monitors' thread."""

OnCancel = Callable[[Callable[[], object]], AbstractContextManager[None]]
"""Around what may block: how it is woken."""


@dataclass(frozen=True)
class Run:
    """A guest in hand."""

    record: Record
    process: Process
    monitor: Session
    live: Domain


def monitor_path(record: Record) -> Path:
    """The monitor socket of a run."""
    return Path(record.process.status_file).parent / MONITOR_SOCKET


def start(
    plan: Plan, face: Face, store: Store, call: Call, callbacks: Callbacks, operation: Operating,
    on_cancel: OnCancel,
) -> Run:  # fmt: skip
    """Spawn QEMU stopped, record it, let it go. After an error nothing of it is left but its log.

    But of a generation that was given up when the record was there: that is its successor's.
    Raises SystemError_ for a missing file, NoEmulator, LaunchFailed (with QEMU's last words), MonitorError,
    what the secret driver said.
    """
    deadline = world.monotonic() + face.settings.qemu.start_timeout
    plan = prepare.prepared(plan, face)
    prepare.check_limits(plan.domain)
    plan = replace(plan, domain=chains.opened(volumes.all_found(plan.domain, call)))
    ram_dir = plan.ram_dir(face.paths, face.settings.qemu.memory_backing_dir)
    files.check(plan.domain)
    access.check(face)
    spare_standard()
    with vsock.opened(plan.domain) as (domain, vsock_fd), ExitStack() as handed, ExitStack() as undo:
        plan = replace(plan, domain=domain)
        undo.callback(store.clean, plan.id, plan.domain.name, ram_dir)
        leases.take(plan, domain.devices.disks, face, store)
        directory = plan.directory(face.paths)
        channels = handed.enter_context(listening.opened(domain, directory, named=face.account is not None))
        nets: dict[str, parts.Net] = {}
        command = _command(plan, face, store, call, ram_dir, vsock_fd, channels, nets)
        maker = cards.Maker(plan, face.paths, face.account, call, face.bus, undo, handed)
        made, command = _with_cards(command, maker, nets)
        emulator = tpm.start(plan, face, call, undo)
        heard, lost = callbacks
        store.check_fence()  # a successor may have undone this start, and made another
        with leases.explained(domain.devices.disks):
            launched = face.backend.launch(command, deadline=deadline, on_event=heard, on_close=lost)
        undo.callback(launched.monitor.close)
        handed.enter_context(on_cancel(launched.monitor.shut))
        watched = Watched(launched.identity, launched.spawned, str(command.status_file), launched.memory)
        undo.callback(watched.status)
        process = Process.attach(launched.identity)
        if process is None:
            raise LaunchFailed(f"QEMU of '{plan.domain.name}' ended after its greeting; see {command.log}")
        record = _record(plan, watched, ram_dir, face)
        record = msgspec.structs.replace(record, tpm=emulator(), **cards.recorded(made))
        run = Run(record, process, launched.monitor, plan.domain)
        undo.callback(revoke, run, store)  # before anything else can fail, for nobody else would end it
        operation.mark("spawned")
        live = _set_up(run, face, with_sockets(cards.live(domain, made), directory), directory)
        run = replace(run, live=live, record=msgspec.structs.replace(run.record, live=render(live)))
        store.keep(run.record)
        _recorded(run, plan, face, store, operation, undo)
    return run


def _recorded(run: Run, plan: Plan, face: Face, store: Store, operation: Operating, undo: ExitStack) -> None:
    """Let it go. What fails is undone, unless another generation has the run by then."""
    try:
        operation.mark("recorded")
        _let_go(run, plan, face)
    except BaseException:
        if not ended(run, plan, face, store):
            undo.pop_all()
        raise
    undo.pop_all()


def _with_cards(
    command: Command, maker: cards.Maker, nets: dict[str, parts.Net]
) -> tuple[list[cards.Card], Command]:
    """Other ends are made for the network cards; QEMU gets their descriptors, its arguments ``nets``."""
    made = maker.all()
    nets |= {card.live.id: card.net() for card in made}
    return made, replace(command, pass_fds=(*command.pass_fds, *cards.descriptors(made)))


def _let_go(run: Run, plan: Plan, face: Face) -> None:
    if pinning.wanted(plan.domain):
        pid = run.process.identity.pid
        pinning.apply(plan.domain, pid, lambda command: _ask(run, command, face))
    if not plan.paused:
        _ask(run, "cont", face)


def _set_up(run: Run, face: Face, domain: Domain, directory: Path) -> Domain:
    """What QEMU is told before it runs, and what it says of itself: the live description."""
    if domain.on_reboot == "destroy":
        _ask(run, "set-action", face, {"reboot": "shutdown"})
    ptys = describe.ptys(_ask(run, "query-chardev", face))
    live = _screens(describe.live(domain, run.record.id, ptys), run, face, directory)
    for name, limits in throttle.all_commands(live):
        _ask(run, name, face, limits)
    for name, link in (each for card in live.devices.interfaces for each in interface.cable(card)):
        _ask(run, name, face, link)
    for period in memballoon.polling(live):
        _ask(run, "qom-set", face, period)
    return live


def _screens(live: Domain, run: Run, face: Face, directory: Path) -> Domain:
    """Passwords are set before anybody runs, and the ports found out."""
    for screen in live.devices.graphics:
        for command, arguments in screens.password(screen):
            _ask(run, command, face, arguments)
    servers = _ask(run, "query-vnc-servers", face) if live.devices.graphics else []
    return screens.found(live, servers, directory)


def _ask(run: Run, command: str, face: Face, arguments: dict[str, Any] | None = None) -> Any:
    """Without an answer the start has failed, for it is undone: that is known, whatever QEMU did."""
    try:
        return run.monitor.execute(command, arguments, timeout=face.settings.qemu.qmp_timeout)
    except (MonitorLost, MonitorTimeout) as lost:
        raise LaunchFailed(f"the start of '{run.record.name}' ended at {command}: {lost.detail}") from lost


def ended(run: Run, plan: Plan, face: Face, store: Store) -> bool:
    """Whether a run on record was sent to its end: not if another generation has found it, or is to."""
    try:
        with store.fence.guard():
            run.process.signal(signal.SIGKILL)
    except Fenced:
        if face.goes_on(plan):
            run.monitor.close()
            run.process.close()
            return False
    return True


def revoke(run: Run, store: Store) -> None:
    """Undo a start. The recorder is waited for: it writes into the directory that goes."""
    stop.kill(run.process)
    run.record.process.status()
    tpm.end(run.record, store.paths)
    run.monitor.close()
    store.forget(run.record)


def _record(plan: Plan, watched: Watched, ram_dir: Path, face: Face) -> Record:
    domain, state = plan.domain, states.PAUSED_BY_USER if plan.paused else states.BOOTED
    return Record(
        plan.id, domain.uuid, domain.name, plan.xml, watched, str(ram_dir), plan.autodestroy, state,
        account=face.account.owner if face.account else None,
    )  # fmt: skip


def _command(
    plan: Plan,
    face: Face,
    store: Store,
    call: Call,
    ram_dir: Path,
    vsock_fd: int,
    channels: Mapping[str, int],
    nets: Mapping[str, parts.Net],
) -> Command:
    """``nets`` are filled in before ``argv`` is called."""
    directory = plan.directory(face.paths)
    make_directories([directory, ram_dir] if plan.domain.memory_in_file else [directory])
    MasterKey.create(directory)
    consoles.begin(face.paths.console_log(plan.domain.name))
    prepare.make_huge_page_dirs(plan.domain, face.paths)
    new_nvram = nvram.provide(plan.domain, store.fence, plan.reset_nvram)
    access.arrange(plan, face, store, ram_dir, new_nvram)
    log = below(face.paths.qemu_log, f"{plan.domain.name}.log")
    capabilities = face.capabilities(plan.domain.devices.emulator)

    def argv(monitor_fd: int) -> list[str]:
        context = running.context(
            plan, face, call, monitor_fd, vsock_fd=vsock_fd, socket_fds=channels, nets=nets
        )
        compiled = parts.compile(plan.domain, capabilities, context)
        if not face.settings.qemu.sandbox:
            compiled = [part for part in compiled if not _is_sandbox(part)]
        return [capabilities.binary, *parts.argv(compiled)]

    passed = (*(() if vsock_fd < 0 else (vsock_fd,)), *channels.values())
    variables = parts.passthrough.environment(plan.domain)
    status = directory / EXIT_STATUS
    return Command(directory, log, status, running.nonce(directory), argv, passed, variables, face.account)


def _is_sandbox(part: parts.Part) -> bool:
    return isinstance(part, parts.Option) and part.name == "sandbox"
