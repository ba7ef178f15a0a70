"""Rules of a volume's XML across its fields, and with its pool."""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageUnsupported, StorageXml
from embervirt.drivers.storage.model import Encryption, EncryptionSecret, Pool, Volume
from embervirt.drivers.storage.validate.names import lvm_name, volume_name


def validate_volume(volume: Volume, pool: Pool, *, clone: bool = False) -> None:
    """Rules of a completed volume. ``clone``: it is made from another, whose capacity counts when
    it has none; else that of the image below does.

    Raises StorageXml, StorageInvalid, StorageUnsupported, StorageSystemError.
    """
    volume_name(volume.name)
    if pool.type == "logical":
        lvm_name(volume.name or "", "volume name")
    if volume.capacity is None and volume.backing is None and not clone:
        raise StorageXml(f"missing capacity element: volume '{volume.name}'")
    _formats(volume, pool)
    if volume.target.encryption is not None:
        _encryption(volume.target.encryption)


def _formats(volume: Volume, pool: Pool) -> None:
    known = pool.kind.volume_formats
    accepted = known[1:] if pool.kind.default_volume_format == "raw" and known[0] == "none" else known
    given = [volume.target.format] + ([volume.backing.format] if volume.backing else [])
    for each in given:
        if each is not None and each.type not in accepted:
            words = ", ".join(accepted)
            raise StorageUnsupported(f"unknown volume format type {each.type}: expected one of: {words}")


def _encryption(given: Encryption) -> None:
    if given.format is None:
        raise StorageXml("unknown volume encryption format: expected <encryption format='luks'>")
    for secret in given.secrets:
        _secret(secret)
    if given.cipher and not given.cipher.name:
        raise StorageXml("cipher info missing 'name' attribute")
    if given.cipher and given.cipher.size is None:
        raise StorageXml("Missing required attribute 'size' in element 'cipher'")
    if given.ivgen and given.cipher is None:
        raise StorageXml("ivgen element found, but cipher is missing")
    if given.ivgen and not given.ivgen.name:
        raise StorageXml("missing ivgen info name string")


def _secret(secret: EncryptionSecret) -> None:
    if secret.type is None:
        raise StorageXml("unknown volume encryption secret type: expected <secret type='passphrase'>")
    if secret.uuid and secret.usage:
        raise StorageXml("either secret uuid or usage expected, not both")
    if not (secret.uuid or secret.usage):
        raise StorageXml("missing secret uuid or usage attribute")
