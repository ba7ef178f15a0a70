"""A TPM that does not say all."""

from __future__ import annotations

from embervirt.drivers.qemu.model.tpm import Tpm, TpmBackend, TpmDevice
from embervirt.drivers.xml import replace

HOST_TPM = "/dev/tpm0"
"""The first of the host."""


def complete(tpm: Tpm) -> Tpm:
    """libvirt 9's defaults: the interface TIS, and an emulator of version 1.2 where that can be."""
    model, backend = tpm.model or "tpm-tis", tpm.backend
    if backend.type == "passthrough":
        device = TpmDevice(path=(backend.device.path if backend.device else None) or HOST_TPM)
        return replace(tpm, model=model, backend=TpmBackend(type=backend.type, device=device))
    if backend.type != "emulator":
        source = replace(backend.source, mode=backend.source.mode or "connect") if backend.source else None
        return replace(tpm, model=model, backend=TpmBackend(type=backend.type, source=source))
    version = backend.version or ("2.0" if model == "tpm-crb" else "1.2")
    banks = backend.active_pcr_banks
    kept = banks if banks and banks.names else None
    return replace(
        tpm,
        model=model,
        backend=replace(
            backend,
            version=version,
            persistent_state=backend.persistent_state or None,
            source=None,
            device=None,
            active_pcr_banks=kept,
        ),
    )
