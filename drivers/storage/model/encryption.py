"""How a volume is encrypted. Secrets are named, never held."""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageUnsupported, StorageXml
from embervirt.drivers.xml import Element, attr, child, children, choice, integer
from embervirt.drivers.xml.codecs import Uuid

FORMATS = ("default", "qcow", "luks", "luks2")


class EncryptionSecret(Element, tag="secret"):
    """The secret with the passphrase, by UUID or usage."""

    type: str | None = attr("type", choice("passphrase", error=StorageUnsupported), default=None)
    usage: str | None = attr("usage", default=None)
    uuid: str | None = attr("uuid", Uuid(StorageXml), default=None)


class Cipher(Element, tag="cipher"):
    """The algorithm of the data: aes-256 in mode xts with hash sha256, say."""

    name: str | None = attr("name", default=None)
    size: int | None = attr("size", integer(0, 2**32 - 1, StorageXml), default=None)
    mode: str | None = attr("mode", default=None)
    hash: str | None = attr("hash", default=None)


class Ivgen(Element, tag="ivgen"):
    """How initialisation vectors are made."""

    name: str | None = attr("name", default=None)
    hash: str | None = attr("hash", default=None)


class Encryption(Element, tag="encryption"):
    format: str | None = attr("format", choice(*FORMATS, error=StorageUnsupported), default=None)
    engine: str | None = attr("engine", choice("qemu", "librbd", error=StorageXml), default=None)
    secrets: tuple[EncryptionSecret, ...] = children(EncryptionSecret, default=())
    cipher: Cipher | None = child(Cipher, default=None)
    ivgen: Ivgen | None = child(Ivgen, default=None)
