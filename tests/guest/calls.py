"""How a call of a test went: its code, whether it won a race, what it left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from guest.domain import qemus, wait_until


def code_of(call: Callable[..., object], *arguments: Any) -> int:
    """Of the error it raises."""
    with pytest.raises(libvirt.libvirtError) as refused:
        call(*arguments)
    code = refused.value.get_error_code()
    assert code is not None
    return code


def raced(barrier: threading.Barrier, call: Callable[[], object]) -> int | None:
    """None, or the code of the error."""
    barrier.wait()
    try:
        call()
    except libvirt.libvirtError as error:
        return error.get_error_code()
    return None


def began(call: Callable[[], Any]) -> Future[Any]:
    """On a thread of its own."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is the waiting test's
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def threads(actor: str) -> int:
    """Of that actor, given up or not."""
    return sum(each.name == f"embervirt-{actor}" for each in threading.enumerate())


def nothing_is_left(conn: libvirt.virConnect, root: Path, before: set[str]) -> bool:
    """No process, run file, directory of a run or, a moment later, actor; ``before`` are the logs."""
    wait_until(lambda: guests(conn) == [])
    run = {path.name for path in (root / "run/qemu").iterdir()} - {"driver.pid", "autostarted"}
    lib = {path.name for path in (root / "lib/qemu").iterdir()} - {"ram"}
    logs = {path.name for path in (root / "log/qemu").iterdir()}
    assert (run, lib, qemus(root)) == (set(), set(), [])
    return logs == before


def guests(conn: libvirt.virConnect) -> list[str]:
    """The actors of guests."""
    groups = {group.id: group.children for group in conn.root.tree().children}
    return [each.id for each in groups["guests"]]
