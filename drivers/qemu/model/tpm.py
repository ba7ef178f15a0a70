"""``<tpm>``: a trusted platform module."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, attr, child, choice, flag
from embervirt.drivers.xml.codecs import Switch, Uuid
from embervirt.errors import InternalError

PCR_BANKS = ("sha1", "sha256", "sha384", "sha512")


class TpmEncryption(Element, tag="encryption"):
    """``secret`` is the UUID of the secret whose value encrypts the state."""

    secret: str = attr("secret", Uuid(InternalError))


class PcrBanks(Element, tag="active_pcr_banks", closed=True):
    """Which banks of registers a TPM 2.0 has."""

    sha1: bool = flag("sha1", default=False)
    sha256: bool = flag("sha256", default=False)
    sha384: bool = flag("sha384", default=False)
    sha512: bool = flag("sha512", default=False)

    @property
    def names(self) -> list[str]:
        """Those that are there."""
        return [name for name in PCR_BANKS if getattr(self, name)]


class TpmSource(Element, tag="source"):
    """Of ``external``: the control socket of a swtpm that is somebody else's."""

    type: str = attr("type", choice("unix"))
    mode: str | None = attr("mode", choice("connect"), default=None)
    path: str = attr("path")


class TpmDevice(Element, tag="device"):
    path: str | None = attr("path", default=None)


class TpmBackend(Element, tag="backend"):
    """``emulator`` is a swtpm of the guest's own; ``persistent_state``: it outlives the definition.

    ``passthrough`` is a TPM of the host.
    """

    type: str = attr("type", choice("emulator", "external", "passthrough"))
    version: str | None = attr("version", choice("1.2", "2.0"), default=None)
    persistent_state: bool | None = attr("persistent_state", Switch("yes", "no", InternalError), default=None)
    device: TpmDevice | None = child(TpmDevice, default=None)
    source: TpmSource | None = child(TpmSource, default=None)
    encryption: TpmEncryption | None = child(TpmEncryption, default=None)
    active_pcr_banks: PcrBanks | None = child(PcrBanks, default=None)


class Tpm(Device, tag="tpm"):
    model: str | None = attr(
        "model", choice("tpm-tis", "tpm-crb", later=("tpm-spapr", "spapr-tpm-proxy")), default=None
    )
    backend: TpmBackend = child(TpmBackend)
