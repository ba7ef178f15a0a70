"""Finding a guest that was started before, by this process or by one that is gone."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import model_of
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.store import Record
from embervirt.errors import InvalidArgument, OperationInvalid
from embervirt.supervisor.identity import Process


def check_gone(record: Record | None) -> None:
    """Before a start: an earlier run is over. Raises OperationInvalid when its QEMU is still there."""
    process = None if record is None else Process.attach(record.process.identity)
    if process is not None:
        process.close()
        text = f"domain is already running: process {process.identity.pid}, which could not be adopted"
        raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)


def when_nobody_watched(record: Record) -> str:
    """For the event of an end that is only inferred; its time is the status file's, if there is one."""
    try:
        at = Path(record.process.status_file).stat().st_mtime
    except FileNotFoundError:
        return "inferred: it ended while nobody watched"
    when = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")
    return f"inferred: it ended at {when}, while nobody watched"


def adopted(plan: Plan, xml: str) -> Plan:
    """An orphan's plan with its description. Raises InvalidArgument when that is another domain's."""
    domain = model_of(xml)
    if (domain.name, domain.uuid) != (plan.domain.name, plan.domain.uuid):
        text = f"this XML describes {domain.name!r} {domain.uuid}, the guest is {plan.domain.name!r}"
        raise InvalidArgument(f"{text} {plan.domain.uuid}")
    return replace(plan, domain=domain, xml=xml, orphan=None)
