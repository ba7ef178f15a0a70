"""The TPM: QEMU's device, and the socket of the swtpm that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.model import Tpm
from embervirt.drivers.qemu.model.tpm import TpmDevice
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Chardev, Device, Option, Part
from embervirt.drivers.qemu.parts.render import options

CHARDEV = "chrtpm"


def parts(tpm: Tpm, build: Build) -> Iterable[Part]:
    """The backend, then the device."""
    if tpm.backend.device is not None:
        yield Option("tpmdev", options("passthrough", {"id": f"tpm-{tpm.id}", **_host(tpm.backend.device)}))
    else:
        yield from _emulator(tpm, build)
    yield Device(tpm.model or "tpm-tis", tpm.id, {"tpmdev": f"tpm-{tpm.id}"})


def _host(device: TpmDevice) -> dict[str, str]:
    path = device.path or ""
    return {"path": path, "cancel-path": cancel_path(path)}


def cancel_path(path: str) -> str:
    """Where commands of a TPM of the host are cancelled (Documentation/ABI/stable/sysfs-class-tpm)."""
    return f"/sys/class/tpm/{Path(path).name}/device/cancel"


def _emulator(tpm: Tpm, build: Build) -> Iterable[Part]:
    """Without a run there is no swtpm to connect to: libvirt shows a null device then."""
    path = tpm.backend.source.path if tpm.backend.source else build.run.tpm_socket
    if path is None:
        yield Chardev(CHARDEV, "null")
    else:
        data: dict[str, Any] = {"addr": {"type": "unix", "data": {"path": path}}, "server": False}
        yield Chardev(CHARDEV, "socket", data)
    yield Option("tpmdev", options("emulator", {"id": f"tpm-{tpm.id}", "chardev": CHARDEV}))
