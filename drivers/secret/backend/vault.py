"""The values of one root's secrets, each in a file of its own, AES-256-GCM.

One random data key encrypts them. It lies in ``data.key``, wrapped by the key of a KeySource, so that a
change of that key rewrites one small file. Every value is bound to its secret's UUID: a file that was
moved or swapped does not open. Libvirt's ``UUID.base64`` files are taken over as soon as they are seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from embervirt.drivers.root import files
from embervirt.drivers.root.files import Fence
from embervirt.drivers.secret.backend.keys import KeySource
from embervirt.drivers.secret.errors import KeyUnavailable, VaultDamaged, WrongKey
from embervirt.drivers.secret.value import SecretValue

FORMAT = 1
DATA_KEY = "data.key"
SUFFIX, LIBVIRT_SUFFIX = ".value", ".base64"
_MAGIC = b"embervirt secret value %d\n" % FORMAT
_NONCE = 12
_WRAPPED_FOR = b"embervirt data key %d" % FORMAT


class WrappedKey(msgspec.Struct, frozen=True):
    """Content of ``data.key``; ``checksum`` tells a damaged file from a wrong key."""

    format: int
    nonce: bytes
    wrapped: bytes
    checksum: str


class Vault:
    """``directory`` is etc/secrets; ``fence`` is that of the generation which writes.

    ``others``: sources of which one may have become the key instead of ``source``.
    """

    def __init__(
        self,
        directory: Path,
        source: KeySource,
        fence: Fence | None = None,
        others: tuple[KeySource, ...] = (),
    ) -> None:
        self._directory, self._source, self._fence, self._others = directory, source, fence, others
        self._data_key: bytes | None = None

    # Values.

    def get(self, uuid: str) -> SecretValue | None:
        """The value, None when there is none. Raises KeyUnavailable, WrongKey, VaultDamaged, SystemError_."""
        self.upgrade(uuid)
        path = self._path(uuid)
        return self._opened(uuid, path) if path.exists() else None

    def put(self, uuid: str, value: SecretValue) -> None:
        """Keep a value, durably; nothing else is left of an older one."""
        self._write(self._path(uuid), self._sealed(uuid, value))
        self._remove(self._libvirts(uuid))

    def remove(self, uuid: str) -> None:
        """Forget a value, durably; no error when there is none."""
        self._remove(self._libvirts(uuid))
        self._remove(self._path(uuid))

    def uuids(self) -> Iterator[str]:
        """Of all values there are, libvirt's included."""
        for path in sorted(self._directory.iterdir()):
            if path.suffix in (SUFFIX, LIBVIRT_SUFFIX):
                yield path.stem

    def upgrade(self, uuid: str) -> None:
        """Take over the value that libvirt keeps in ``UUID.base64``, if it does.

        It wins over ours: libvirt wrote it later, or an upgrade was interrupted and they are the same.
        Raises VaultDamaged for one that is not base64, which stays where it is.
        """
        path = self._libvirts(uuid)
        if path.exists():
            try:
                value = SecretValue(base64.b64decode(files.read(path).strip(), validate=True))
            except binascii.Error as error:
                raise VaultDamaged(f"file '{path}' is not base64: {error}") from None
            self.put(uuid, value)

    def _path(self, uuid: str) -> Path:
        return self._directory / f"{uuid}{SUFFIX}"

    def _libvirts(self, uuid: str) -> Path:
        return self._directory / f"{uuid}{LIBVIRT_SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        files.write(path, data, durable=True, fence=self._fence)

    def _remove(self, path: Path) -> None:
        if path.exists():
            files.remove(path, durable=True, fence=self._fence)

    def _sealed(self, uuid: str, value: SecretValue) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _MAGIC + nonce + self._cipher(create=True).encrypt(nonce, value.reveal(), _bound_to(uuid))

    def _opened(self, uuid: str, path: Path) -> SecretValue:
        data = files.read(path)
        sealed = data.removeprefix(_MAGIC)
        if sealed == data:
            raise VaultDamaged(f"file '{path}' does not begin as a value of format {FORMAT} does")
        cipher = self._cipher(create=False)
        try:
            return SecretValue(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(uuid)))
        except (InvalidTag, ValueError):
            raise VaultDamaged(f"file '{path}' is damaged, or belongs to another secret or root") from None

    # The data key.

    def rewrap(self, source: KeySource) -> None:
        """Protect the data key by another key, atomically; later vaults must be given that one.

        Raises KeyUnavailable, WrongKey; then the present key still does.
        """
        key = self._unwrapped(create=True)
        self._write(self._directory / DATA_KEY, _wrap(key, source.key(create=True)))

    def check(self) -> None:
        """Raises KeyUnavailable or WrongKey when values there are could not be read."""
        if (self._directory / DATA_KEY).exists():
            self._unwrapped(create=False)

    def _cipher(self, *, create: bool) -> AESGCM:
        return AESGCM(self._unwrapped(create=create))

    def _unwrapped(self, *, create: bool) -> bytes:
        if self._data_key is None:
            path = self._directory / DATA_KEY
            if create and not path.exists():
                self._create(path)
            self._data_key = self._open(path)
        return self._data_key

    def _open(self, path: Path) -> bytes:
        for each in self._others:
            with suppress(WrongKey, KeyUnavailable):
                return _unwrap(path, each.key(create=False))
        return _unwrap(path, self._source.key(create=False))

    def _create(self, path: Path) -> None:
        """A root's first value makes its data key. Values without one are not opened by a new one."""
        orphan = next((uuid for uuid in self.uuids() if self._path(uuid).exists()), None)
        if orphan is not None:
            raise VaultDamaged(f"file '{path}' is missing, but there are values it protected, like {orphan}")
        self._write(path, _wrap(secrets.token_bytes(32), self._source.key(create=True)))


def _bound_to(uuid: str) -> bytes:
    return b"embervirt value %d of %s" % (FORMAT, uuid.encode())


def _wrap(data_key: bytes, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    wrapped = AESGCM(key).encrypt(nonce, data_key, _WRAPPED_FOR)
    return msgspec.json.encode(WrappedKey(FORMAT, nonce, wrapped, _checksum(nonce, wrapped))) + b"\n"


def _unwrap(path: Path, key: bytes) -> bytes:
    try:
        content = msgspec.json.decode(files.read(path), type=WrappedKey)
    except msgspec.MsgspecError as error:
        raise VaultDamaged(f"file '{path}' cannot be read: {error}") from None
    if content.format != FORMAT:
        raise VaultDamaged(f"file '{path}' has format {content.format}: this version reads {FORMAT}")
    if content.checksum != _checksum(content.nonce, content.wrapped):
        raise VaultDamaged(f"file '{path}' is damaged: its checksum differs")
    try:
        return AESGCM(key).decrypt(content.nonce, content.wrapped, _WRAPPED_FOR)
    except (InvalidTag, ValueError):
        raise WrongKey(f"the key does not open '{path}': the secrets were protected by another one") from None


def _checksum(nonce: bytes, wrapped: bytes) -> str:
    return hashlib.sha256(nonce + wrapped).hexdigest()
