"""Finding a guest that was started before, by this process or by one that is gone."""

from __future__ import annotations

from pathlib import Path

from embervirt import world
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.backend.protocol import Session
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.service.start import Callbacks, Run, monitor_path
from embervirt.drivers.qemu.states import State
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import OperationInvalid
from embervirt.supervisor.identity import Process

QUERY_SECONDS = 10.0


def adopt(record: Record, face: Face, callbacks: Callbacks) -> Run | None:
    """Hold exactly the recorded process and connect to its monitor; None when it is gone.

    Never signals anybody. Raises MonitorLost or OperationTimeout when the monitor does not answer.
    """
    process = Process.attach(record.process.identity)
    if process is None:
        return None
    deadline = world.monotonic() + face.settings.qemu.qmp_timeout
    path = monitor_path(Path(record.process.status_file).parent)
    try:
        monitor = face.backend.connect(
            path, deadline=deadline, on_event=callbacks.on_event, on_close=callbacks.on_close
        )
    except BaseException:
        process.close()
        raise
    return Run(record, process, monitor)


def check_gone(record: Record | None) -> None:
    """Before a start: an earlier run is over. Raises OperationInvalid when its QEMU is still there."""
    process = None if record is None else Process.attach(record.process.identity)
    if process is not None:
        process.close()
        text = f"domain is already running: process {process.identity.pid}, which could not be adopted"
        raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)


def state(monitor: Session, known: Running | None) -> State:
    """As QEMU says; the reason that was published before stays when the state is the same."""
    run_state = monitor.execute("query-status", timeout=QUERY_SECONDS)["status"]
    now = states.BY_RUN_STATE.get(run_state, states.PAUSED_UNKNOWN)
    return known.state if known is not None and known.state.state == now.state else now
