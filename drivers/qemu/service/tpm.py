"""A guest's emulated TPM: started before QEMU, recorded with it, ended after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from embervirt import disk
from embervirt.drivers.qemu.backend import swtpm
from embervirt.drivers.qemu.backend.swtpm import Swtpm
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service.keys import Call
from embervirt.drivers.qemu.store import Record, Store
from embervirt.drivers.root import reach
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.paths import RootPaths, below, short_name
from embervirt.drivers.secret.messages import GetValue
from embervirt.supervisor.processes import Watched

WHAT = "tpm"
"""As what a guest that has lost it is told to."""


def socket(paths: RootPaths, id_: int, name: str) -> Path:
    """Where the swtpm of a run is reached, as libvirt names it."""
    return below(paths.path / "run/swtpm", f"{id_}-{short_name(name)}-swtpm.sock")


def state(paths: RootPaths, uuid: str) -> Path:
    """What a guest's TPM remembers, of all versions."""
    return paths.path / "lib/swtpm" / uuid


def persists(domain: Domain) -> bool:
    """Whether that outlives the domain's definition."""
    return any(tpm.backend.persistent_state for tpm in domain.devices.tpms)


def of(plan: Plan, face: Face, call: Call) -> Swtpm | None:
    """The guest's, manufactured if it is new. Raises NoSecret, LaunchFailed; None when it has none."""
    tpms = [tpm for tpm in plan.domain.devices.tpms if tpm.backend.type == "emulator"]
    if not tpms:
        return None
    backend, domain, root = tpms[0].backend, plan.domain, face.paths.path
    key = None
    if backend.encryption is not None:
        key = face.bus.handover.take(call("secret", GetValue(backend.encryption.secret, internal=True)))
    made = Swtpm(
        owner=f"{domain.name}:{domain.uuid}",
        version=backend.version or "1.2",
        state=state(face.paths, domain.uuid),
        authority=root / "lib/swtpm/authority",
        log=root / "log/swtpm" / f"{domain.name}-swtpm.log",
        socket=socket(face.paths, plan.id, domain.name),
        run=plan.directory(face.paths),
        banks=tuple(backend.active_pcr_banks.names) if backend.active_pcr_banks else (),
        key=None if key is None else key.reveal(),
        account=face.account,
    )
    make_directories([made.log.parent, made.socket.parent, made.state, made.authority])
    if face.account is not None:
        for each in (made.socket, made.directory, made.authority):
            reach.open_way(root, each, face.account.uid)
    made.manufacture(face.settings.qemu.start_timeout)
    return made


def start(plan: Plan, face: Face, call: Call, undo: ExitStack) -> Callable[[], Watched | None]:
    """Its swtpm, which listens; what is returned tells who that is, once QEMU has spoken to it."""
    made = of(plan, face, call)
    if made is None:
        return lambda: None
    undo.callback(disk.unlink, made.socket, missing_ok=True)
    spawned = made.start()
    undo.callback(swtpm.abandon, spawned)
    return partial(made.watched, spawned)


def end(record: Record, paths: RootPaths) -> None:
    """After the end of its QEMU nothing of it is left but its state."""
    if record.tpm is not None:
        swtpm.stop(record.tpm)
        disk.unlink(socket(paths, record.id, record.name), missing_ok=True)


def forget(record: Record, domain: Domain, store: Store) -> None:
    """What the TPM of a guest without a definition remembers goes with the guest, as libvirt has it.

    A definition that nobody can read is one.
    """
    transient = not below(store.paths.qemu_etc, f"{record.name}.xml").exists()
    if record.tpm is not None and transient and not persists(domain):
        store.discard(state(store.paths, record.uuid))
