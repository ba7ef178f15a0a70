"""The TPM."""

from __future__ import annotations

import shutil

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.tpm import Tpm
from embervirt.errors import ConfigUnsupported, XmlError

PROGRAMS = ("swtpm", "swtpm_setup")
"""Of a TPM emulator. As in libvirt a domain that needs them is refused where they are not installed."""


def check(domain: Domain) -> None:
    """One, of a version that its interface and the host have."""
    if len(domain.devices.tpms) > 1:
        raise ConfigUnsupported("only a single TPM non-proxy device is supported")
    for tpm in domain.devices.tpms:
        if tpm.backend.type == "external":
            if tpm.backend.source is None:
                raise XmlError("missing source for external TPM; expected <source type='unix' path='...'/>")
        elif tpm.backend.type == "emulator":
            _emulator(tpm)


def _emulator(tpm: Tpm) -> None:
    version = tpm.backend.version
    if version == "1.2" and tpm.model == "tpm-crb":
        raise ConfigUnsupported(f"Unsupported interface '{tpm.model}' for TPM 1.2")
    if version != "2.0" and tpm.backend.active_pcr_banks:
        raise XmlError("<active_pcr_banks/> requires TPM version '2.0'")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        needs = " and ".join(missing)
        raise ConfigUnsupported(f"{needs} is not in PATH: TPM version '{version}' is not supported")
