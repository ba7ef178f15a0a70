"""Passphrases for qemu-img: secret objects that read a file, and LUKS's options. No value is ever here."""

from __future__ import annotations

import hashlib
import re

from embervirt.drivers.storage.errors import StorageArgument, StorageInternal, StorageUnsupported
from embervirt.drivers.storage.model import Encryption, Volume

_ID = re.compile("[A-Za-z][A-Za-z0-9._-]*")


def escaped(text: str) -> str:
    """A value of an option list: a comma is written twice."""
    return text.replace(",", ",,")


def secret_id(volume: Volume) -> str:
    """Of its secret object: QEMU wants a letter, then letters, digits, ``-._``; other names are hashed."""
    name = volume.name or ""
    if not _ID.fullmatch(name):
        name = "v" + hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{name}_encrypt0"


def secret(volume: Volume, file: str) -> list[str]:
    """The argument that gives qemu-img the passphrase of a volume, in ``file``; none without a key."""
    if volume.target.encryption is None:
        return []
    return ["--object", f"secret,id={secret_id(volume)},file={escaped(file)}"]


def key_option(volume: Volume) -> list[str]:
    """Of an open image: where its passphrase is."""
    if volume.target.encryption is None:
        return []
    return [f"{prefix(volume)}key-secret={secret_id(volume)}"]


def prefix(volume: Volume) -> str:
    """What stands before options of encryption: of qcow2 it is one layer of more."""
    return "encrypt." if volume.format == "qcow2" else ""


def options(volume: Volume) -> list[str]:
    """Of an image that is made encrypted. Raises as ``check``."""
    given = volume.target.encryption
    if given is None:
        return []
    check(volume, given)
    before = prefix(volume)
    words = {"format": "luks" if before else None, "key-secret": secret_id(volume), **_algorithms(given)}
    return [f"{before}{name}={escaped(word)}" for name, word in words.items() if word]


def _algorithms(given: Encryption) -> dict[str, str | None]:
    cipher, ivgen = given.cipher, given.ivgen
    return {
        "cipher-alg": f"{cipher.name}-{cipher.size}" if cipher else None,
        "cipher-mode": cipher.mode if cipher else None,
        "hash-alg": cipher.hash if cipher else None,
        "ivgen-alg": ivgen.name if ivgen else None,
        "ivgen-hash-alg": ivgen.hash if ivgen else None,
    }


def check_secrets(volume: Volume, given: Encryption) -> None:
    """An image has one key. Raises StorageArgument."""
    if len(given.secrets) != 1:
        what = "A single <secret type='passphrase'...> element is expected in encryption description"
        raise StorageArgument(f"{what}: volume '{volume.name}'")


def check(volume: Volume, given: Encryption) -> None:
    """Whether an image can be made so. Raises StorageArgument, StorageUnsupported, StorageInternal."""
    what = f"volume '{volume.name}'"
    check_secrets(volume, given)
    if volume.format not in ("raw", "iso", "qcow2"):
        raise StorageUnsupported(f"volume encryption unsupported with format {volume.format}: {what}")
    if volume.format != "qcow2" and given.format != "luks":
        raise StorageInternal(f"Only luks encryption is supported for raw files: {what}, '{given.format}'")
    if given.format != "luks":
        raise StorageUnsupported(
            f"creation of qcow2 encrypted image is not supported: {what}, '{given.format}'; expected: luks"
        )
