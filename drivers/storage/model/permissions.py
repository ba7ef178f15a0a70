"""Owner, group, mode and label of a pool's directory or a volume."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embervirt.drivers.storage.errors import StorageXml
from embervirt.drivers.xml import Codec, Element, text
from embervirt.drivers.xml.codecs import Integer

NOBODY = 2**32 - 1
"""As an owner or group, and -1: the one that it has."""
_OCTAL = re.compile("[0-7]{1,12}")


@dataclass(frozen=True)
class Mode(Codec[int]):
    """Permission bits in octal, up to 0777; written with a leading 0."""

    error: type[StorageXml] = StorageXml

    @property
    def accepts(self) -> str:
        return "an octal mode from 0 to 0777 (else: malformed octal mode)"

    def decode(self, text: str) -> int:
        if not _OCTAL.fullmatch(text) or int(text, 8) > 0o777:
            raise ValueError(text)
        return int(text, 8)

    def encode(self, value: int) -> str:
        return f"0{value:o}"


_owner = Integer(-1, NOBODY, StorageXml)


class Permissions(Element, tag="permissions"):
    """What is None is left as it comes."""

    mode: int | None = text("mode", Mode(), default=None)
    owner: int | None = text("owner", _owner, default=None)
    group: int | None = text("group", _owner, default=None)
    label: str | None = text("label", default=None)

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return self == Permissions()
