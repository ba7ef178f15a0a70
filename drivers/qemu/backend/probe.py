"""What a QEMU binary can do, asked of itself over QMP once and kept in a cache file.

The file's name is a digest of the binary's identity and of whether /dev/kvm opens: any change of either
is a new file. A file that cannot be read as capabilities counts as absent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from embervirt.drivers.qemu.backend.emulator import check_emulator, explained
from embervirt.drivers.qemu.backend.monitor import Monitor, MonitorLoop
from embervirt.drivers.qemu.capabilities import Accelerator, Capabilities, CpuDefinition, HostCpu, Machine
from embervirt.drivers.qemu.errors import MonitorError, MonitorLost, MonitorTimeout, ProbeFailed
from embervirt.drivers.root import files
from embervirt.drivers.root.errors import FileRefused
from embervirt.errors import SystemError_, libvirtError
from embervirt.log import get_logger

FORMAT = 4
"""Raise it with every change of ``Capabilities``: files of other formats are not found."""

SECONDS = 20.0
"""A probe's time; it takes about 0.1 s."""

KVM = "/dev/kvm"

ARCHITECTURES = {"i386": "i686"}
"""libvirt's names where they are not QEMU's."""

BOUNDED = ("/usr/bin/env", "--default-signal", "timeout", "--signal=KILL")
"""Ends the probed program in time even if this process is killed."""

LATER = 1.0
"""Seconds that ``BOUNDED`` waits longer than we do: it is for the case that we are gone."""

OPTIONS = ("-S", "-nodefaults", "-no-user-config", "-display", "none", "-machine")

MOST_OUTPUT = 4096
"""Bytes of the program's output that an error quotes."""

MONITOR_ERRORS = (MonitorError, MonitorLost, MonitorTimeout)

Ask = Callable[..., Any]
A = TypeVar("A")


def cached(binary: str, cache_dir: Path, loop: MonitorLoop) -> Capabilities:
    """``probe``'s answer, from ``cache_dir``/DIGEST.json if it is there. The directory must exist."""
    check_emulator(binary)
    file = cache_dir / f"{_digest(binary)}.json"
    found = _read(file)
    if found is None:
        found = probe(binary, loop)
        _keep(file, found)
    return found


def _keep(file: Path, found: Capabilities) -> None:
    """What cannot be kept is asked again next time; no guest needs the file."""
    try:
        files.write(file, msgspec.json.encode(found, order="deterministic"), durable=False)
    except SystemError_ as error:
        get_logger().warning("capabilities cannot be kept", error=str(error))


def _digest(binary: str) -> str:
    path = os.path.realpath(binary)
    file = Path(path).stat()
    identity = (FORMAT, path, file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, _kvm_opens())
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _kvm_opens() -> bool:
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _read(file: Path) -> Capabilities | None:
    try:
        return msgspec.json.decode(files.read(file), type=Capabilities)
    except (msgspec.DecodeError, FileRefused):
        return None
    except SystemError_ as error:
        if error.get_int1() == errno.ENOENT:
            return None
        raise


def probe(binary: str, loop: MonitorLoop, seconds: float = SECONDS) -> Capabilities:
    """Starts ``binary`` without a machine and asks it; at most ``seconds``.

    Raises NoEmulator when it cannot be executed, ProbeFailed with its output when it does not answer.
    """
    check_emulator(binary)
    deadline = time.monotonic() + seconds
    with explained(f"probe QEMU binary {binary}"), os.fdopen(os.memfd_create("probe"), "rb") as output:
        try:
            with _running(binary, "kvm:tcg", output.fileno(), seconds) as near:
                found = _ask(near, loop, deadline, lambda ask: _gather(os.path.realpath(binary), ask))
            if not found.kvm:
                return found
            tcg = _emulated(binary, loop, output.fileno(), deadline)
            return msgspec.structs.replace(found, kvm_cpus=found.tcg_cpus, tcg_cpus=tcg)
        except MONITOR_ERRORS as error:
            output.seek(0)
            said = output.read(MOST_OUTPUT).decode(errors="replace").strip() or error.detail
            raise ProbeFailed(f"Failed to start QEMU binary {binary} for probing: {said}") from error


def _emulated(binary: str, loop: MonitorLoop, output: int, deadline: float) -> Accelerator:
    """CPU models without KVM; none for a QEMU that cannot emulate, or was built without it."""
    try:
        with _running(binary, "tcg", output, deadline - time.monotonic()) as near:
            return _ask(near, loop, deadline, lambda ask: _accelerator(ask, "max"))
    except MONITOR_ERRORS as error:
        get_logger(driver="qemu").info("QEMU does not run without KVM", binary=binary, error=str(error))
        return Accelerator()


@contextlib.contextmanager
def _running(binary: str, accel: str, output: int, seconds: float) -> Iterator[socket.socket]:
    near, far = socket.socketpair()
    with near:
        with far:
            chardev = f"socket,id=monitor,fd={far.fileno()}"
            command = [*BOUNDED, f"{seconds + LATER:g}", binary, *OPTIONS, f"none,accel={accel}"]
            child = subprocess.Popen(
                [*command, "-chardev", chardev, "-mon", "chardev=monitor,mode=control"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[far.fileno()],
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,
            )
        with child:
            try:
                yield near
            except libvirtError:
                raise  # it ends by itself, and what it says until then is wanted
            except BaseException:
                child.terminate()  # ``timeout`` makes a SIGKILL of it
                raise


def _ask(near: socket.socket, loop: MonitorLoop, deadline: float, questions: Callable[[Ask], A]) -> A:
    monitor = Monitor.connect(loop, near, deadline, lambda event: None, lambda cause: None)

    def ask(command: str, **arguments: Any) -> Any:
        return monitor.execute(command, arguments, timeout=max(0.0, deadline - time.monotonic()))

    with contextlib.closing(monitor):
        try:
            return questions(ask)
        finally:
            with contextlib.suppress(*MONITOR_ERRORS):
                ask("quit")


def _gather(binary: str, ask: Ask) -> Capabilities:
    qemu = ask("query-version")["qemu"]
    machines = [_machine(entry) for entry in ask("query-machines")]
    kvm = ask("query-kvm")["enabled"]
    return Capabilities(
        binary=binary,
        version=(qemu["major"], qemu["minor"], qemu["micro"]),
        arch=ARCHITECTURES.get(target := ask("query-target")["arch"], target),
        machines={machine.name: machine for machine in machines},
        aliases={machine.alias: machine.name for machine in machines if machine.alias},
        devices=_names(ask("qom-list-types", implements="device", abstract=False)),
        objects=_names(ask("qom-list-types", implements="user-creatable", abstract=False)),
        commands=_names(ask("query-commands")),
        kvm=kvm,
        tcg_cpus=_accelerator(ask, "host" if kvm else "max"),
        package=ask("query-version")["package"],
    )


def _accelerator(ask: Ask, best: str) -> Accelerator:
    """CPU models under the accelerator that runs; ``best`` is QEMU's name of the most it can do."""
    definitions = [entry for entry in ask("query-cpu-definitions") if not entry.get("static")]
    return Accelerator(cpus=tuple(map(_definition, definitions)), host=_host_cpu(ask, best))


def _definition(entry: dict[str, Any]) -> CpuDefinition:
    missing = tuple(entry.get("unavailable-features", ()))
    return CpuDefinition(entry["name"], missing, entry.get("deprecated", False))


def _host_cpu(ask: Ask, best: str) -> HostCpu | None:
    """What ``best`` is made of; None where QEMU does not say."""
    switch = {"props": {"migratable": True}} if best == "host" else {}
    try:
        props = _expanded(ask, {"name": best, **switch})
        every = _expanded(ask, {"name": best, "props": {"migratable": False}}) if switch else props
    except MonitorError:
        return None
    on, also = _on(props), _on(every)
    return HostCpu(props["vendor"], props["family"], props["model"], props["stepping"], on, also - on)


def _expanded(ask: Ask, model: dict[str, Any]) -> dict[str, Any]:
    """``static`` names what a model is made of, ``full`` all properties of that."""
    static = ask("query-cpu-model-expansion", type="static", model=model)["model"]
    found: dict[str, Any] = ask("query-cpu-model-expansion", type="full", model=static)["model"]["props"]
    return found


def _on(props: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for name, value in props.items() if value is True)


def _machine(entry: dict[str, Any]) -> Machine:
    return Machine(
        name=entry["name"],
        alias=entry.get("alias"),
        default_ram_id=entry.get("default-ram-id"),
        max_cpus=entry["cpu-max"],
        deprecated=entry["deprecated"],
        default=entry.get("is-default", False),
        numa_mem=entry.get("numa-mem-supported", False),
        default_cpu=_model(entry["default-cpu-type"]) if "default-cpu-type" in entry else None,
    )


def _model(cpu_type: str) -> str:
    """``qemu64-x86_64-cpu`` is the type of the model ``qemu64``."""
    return cpu_type.removesuffix("-cpu").rpartition("-")[0]


def _names(entries: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(entry["name"] for entry in entries)
