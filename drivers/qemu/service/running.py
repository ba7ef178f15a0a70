"""A run as the parts of its devices need it, at its start and for what is plugged later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embervirt import world
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.parts import MASTER_KEY_FILE, CompileContext, Net
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import prepare, tpm
from embervirt.drivers.qemu.service.keys import Call, MasterKey

MONITOR_FD = -1
"""Of a run that has its monitor already."""


def nonce(directory: Path) -> str:
    """The key's file as it stands in the arguments, quoted as JSON: who only looks at it does not quote."""
    return json.dumps(str(directory / MASTER_KEY_FILE), ensure_ascii=False)


def context(
    plan: Plan,
    face: Face,
    call: Call,
    monitor_fd: int = MONITOR_FD,
    *,
    vsock_fd: int = -1,
    socket_fds: Mapping[str, int] | None = None,
    nets: Mapping[str, Net] | None = None,
) -> CompileContext:
    """``call``: to the secret driver, for the keys of disks. The run's directory and key must be there."""
    directory = plan.directory(face.paths)
    console = face.paths.console_log(plan.domain.name)

    def secret(reference: Any) -> Any:
        return MasterKey.read(directory).fetch(reference, call, face.bus)

    return CompileContext(
        domain_id=plan.id,
        domain_dir=str(directory),
        ram_path=str(plan.ram_dir(face.paths, face.settings.qemu.memory_backing_dir)),
        monitor_fd=monitor_fd,
        console_log=str(console) if face.settings.qemu.console_log else None,
        secret=secret,
        tls_dir=str(face.paths.tls),
        vsock_fd=vsock_fd,
        socket_fds=socket_fds or {},
        nets=nets or {},
        huge_page_dirs=prepare.huge_page_dirs(face.paths) if _huge(plan) else {},
        now=world.wall(),
        tpm_socket=str(tpm.socket(face.paths, plan.id, plan.domain.name)),
    )


def _huge(plan: Plan) -> bool:
    return plan.domain.memory_backing is not None and plan.domain.memory_backing.hugepages is not None
