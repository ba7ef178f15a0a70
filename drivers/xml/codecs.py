"""How one string in the XML becomes a typed value and back: a codec is data, a field names one.

``decode`` raises ValueError; the reader turns that into ``error`` with path, line, value and
``accepts``. ``decode(encode(v)) == v`` for every value that ``decode`` can give.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

from embervirt.errors import ConfigUnsupported, XmlError, libvirtError

T = TypeVar("T")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}")
_HEX = re.compile(r"0[xX]([0-9a-fA-F]{1,16})")
_BARE_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})")
_UUID = re.compile(r"\s*+(?:[- ]*+[0-9a-fA-F]{2}){16}\s*")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}")


class Codec(Generic[T]):
    """One kind of value; ``error`` is what a value that it does not accept raises."""

    error: type[libvirtError] = XmlError
    plain: ClassVar[bool] = False
    """Whether all that it writes stands for itself in XML."""

    def error_for(self, text: str) -> type[libvirtError]:
        """What ``text``, which is not accepted, raises."""
        return self.error

    @property
    @abstractmethod
    def accepts(self) -> str:
        """What would be accepted, in words for a message."""

    @abstractmethod
    def decode(self, text: str) -> T:
        """The value of ``text``; ValueError when it is none."""

    @abstractmethod
    def encode(self, value: T) -> str:
        """The text of ``value``, in libvirt's spelling."""


@dataclass(frozen=True)
class Text(Codec[str]):
    """Any text, or (``pattern``, a regular expression for all of it) some; ``accepts`` says which."""

    pattern: str | None = None
    words: str = "any text"
    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return self.words

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern or "")

    def decode(self, text: str) -> str:
        if self.pattern is not None and not self._compiled.fullmatch(text):
            raise ValueError(text)
        return text

    def encode(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Choice(Codec[str]):
    """One of a few words; ``later`` are libvirt's others, a fine wish that is not served here.

    ``refused``: what one of those raises.
    """

    values: tuple[str, ...]
    error: type[libvirtError] = XmlError
    later: tuple[str, ...] = ()
    refused: type[libvirtError] = ConfigUnsupported

    def error_for(self, text: str) -> type[libvirtError]:
        return self.refused if text in self.later else self.error

    @property
    def accepts(self) -> str:
        return "one of: " + ", ".join(self.values)

    def decode(self, text: str) -> str:
        if text not in self.values:
            raise ValueError(text)
        return text

    def encode(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Switch(Codec[bool]):
    """A truth value in two words."""

    true: str
    false: str
    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return f"one of: {self.true}, {self.false}"

    def decode(self, text: str) -> bool:
        if text not in (self.true, self.false):
            raise ValueError(text)
        return text == self.true

    def encode(self, value: bool) -> str:
        return self.true if value else self.false


@dataclass(frozen=True)
class Integer(Codec[int]):
    """A decimal number from ``low`` to ``high``, both included; blanks around it are allowed."""

    plain = True
    low: int = 0
    high: int = 2**64 - 1
    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return f"a decimal number from {self.low} to {self.high}"

    def decode(self, text: str) -> int:
        stripped = text.strip()
        if not _DECIMAL.fullmatch(stripped) or not self.low <= (number := int(stripped)) <= self.high:
            raise ValueError(text)
        return number

    def encode(self, value: int) -> str:
        return str(value)


_ANY = Integer()


@dataclass(frozen=True)
class Hex(Codec[int]):
    """A number up to ``high``, read as 0x.. or decimal, written as 0x with ``width`` digits.

    ``bare``: what has no 0x is hexadecimal too.
    """

    plain = True
    high: int
    width: int = 1
    error: type[libvirtError] = XmlError
    bare: bool = False

    @property
    def accepts(self) -> str:
        spelled = "hexadecimal" if self.bare else "hexadecimal with 0x or decimal"
        return f"a number from 0 to {self.high:#x}, {spelled}"

    def decode(self, text: str) -> int:
        hexadecimal = (_BARE_HEX if self.bare else _HEX).fullmatch(text.strip())
        value = int(hexadecimal[1], 16) if hexadecimal else _ANY.decode(text)
        if value > self.high:
            raise ValueError(text)
        return value

    def encode(self, value: int) -> str:
        return f"0x{value:0{self.width}x}"


@dataclass(frozen=True)
class Uuid(Codec[str]):
    """A UUID in any of libvirt's spellings (hyphens and blanks between bytes); canonical inside."""

    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return "a UUID: 32 hexadecimal digits, hyphens between bytes allowed"

    def decode(self, text: str) -> str:
        if not _UUID.fullmatch(text):
            raise ValueError(text)
        digits = re.sub(r"[\s-]", "", text).lower()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def encode(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Mac(Codec[str]):
    """A MAC address of six bytes, lower-case with two digits each inside."""

    error: type[libvirtError] = XmlError

    @property
    def accepts(self) -> str:
        return "a MAC address such as 52:54:00:12:34:56"

    def decode(self, text: str) -> str:
        if not _MAC.fullmatch(text):
            raise ValueError(text)
        return ":".join(f"{int(byte, 16):02x}" for byte in text.split(":"))

    def encode(self, value: str) -> str:
        return value


def choice(
    *values: str,
    error: type[libvirtError] = XmlError,
    later: tuple[str, ...] = (),
    refused: type[libvirtError] = ConfigUnsupported,
) -> Choice:
    """One of ``values``; for any other word ``error``, for one of ``later`` ``refused``."""
    return Choice(values, error, later, refused)


def integer(low: int = 0, high: int = 2**64 - 1, error: type[libvirtError] = XmlError) -> Integer:
    """A decimal number within ``low`` and ``high``."""
    return Integer(low, high, error)


def hexadecimal(high: int, width: int = 1, *, bare: bool = False) -> Hex:
    """A number up to ``high``, written in hexadecimal; ``bare``: always read as such."""
    return Hex(high, width, bare=bare)


string = Text()
uuid = Uuid()
mac = Mac()
yes_no = Switch("yes", "no")
on_off = Switch("on", "off")
