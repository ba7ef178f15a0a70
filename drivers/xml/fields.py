"""What stands to the right of a field's name: where in the XML its value is, and how it is written.

Without ``default`` the document must say it; with ``default=None`` it may be absent. A value of
None is never written, any other is, whether it is the default or not. What can always be absent has
a ``default`` all the same (``()``, ``False``, ``None``): type checkers see only what the call says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from embervirt.drivers.xml import bindings
from embervirt.drivers.xml.codecs import Codec, string
from embervirt.errors import XmlError, libvirtError

if TYPE_CHECKING:
    from embervirt.drivers.xml.element import Element

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound="Element")
KEY = "xml"
_REQUIRED: Any = dataclasses.MISSING


def _field(binding: bindings.Binding, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={KEY: binding})


@overload
def attr(name: str) -> str: ...
@overload
def attr(name: str, codec: Codec[T], *, missing: type[libvirtError] = XmlError) -> T: ...
@overload
def attr(name: str, *, default: D) -> str | D: ...
@overload
def attr(name: str, codec: Codec[T], *, default: D) -> T | D: ...
def attr(
    name: str,
    codec: Codec[Any] = string,
    *,
    default: Any = _REQUIRED,
    missing: type[libvirtError] = XmlError,
) -> Any:
    """The attribute ``name`` of the element; ``missing``: what the lack of a required one raises."""
    return _field(bindings.Attribute(name, codec, missing), default)


@overload
def text(name: str) -> str: ...
@overload
def text(name: str, codec: Codec[T]) -> T: ...
@overload
def text(name: str, *, default: D) -> str | D: ...
@overload
def text(name: str, codec: Codec[T], *, default: D) -> T | D: ...
def text(name: str, codec: Codec[Any] = string, *, default: Any = _REQUIRED) -> Any:
    """The text of the child ``<name>``."""
    return _field(bindings.ChildText(name, codec), default)


@overload
def content() -> str: ...
@overload
def content(codec: Codec[T]) -> T: ...
@overload
def content(*, default: D) -> str | D: ...
@overload
def content(codec: Codec[T], *, default: D) -> T | D: ...
def content(codec: Codec[Any] = string, *, default: Any = _REQUIRED) -> Any:
    """The text of the element itself."""
    return _field(bindings.Content("", codec), default)


@overload
def size(name: str, *, beside: tuple[str, ...] = ()) -> int: ...
@overload
def size(name: str, *, default: D, beside: tuple[str, ...] = ()) -> int | D: ...
def size(name: str, *, default: Any = _REQUIRED, beside: tuple[str, ...] = ()) -> Any:
    """The text of the child ``<name unit='MiB'>`` in KiB, rounded up; KiB when it has no unit.

    ``beside``: its attributes that have fields of their own, made by ``beside``.
    """
    return _field(bindings.Size(name, beside), default)


@overload
def byte_size(name: str, *, unit: str = "bytes") -> int: ...
@overload
def byte_size(name: str, *, default: D, unit: str = "bytes") -> int | D: ...
def byte_size(name: str, *, default: Any = _REQUIRED, unit: str = "bytes") -> Any:
    """The text of the child ``<name unit='MiB'>`` in bytes; bytes when it has no unit.

    ``unit``: the word for bytes that is written.
    """
    return _field(bindings.Bytes(name, unit), default)


@overload
def amount(name: str = "", *, largest: bool = False, usual: str = "KiB") -> int: ...
@overload
def amount(name: str = "", *, default: D, largest: bool = False, usual: str = "KiB") -> int | D: ...
def amount(
    name: str = "", *, default: Any = _REQUIRED, largest: bool = False, usual: str = "KiB"
) -> Any:
    """The element's own text, or its attribute ``name``, with its ``unit``, in KiB as ``size``.

    ``largest``: it is written in the largest unit that fits, else in KiB. ``usual``: the unit that is
    meant when the document names none.
    """
    return _field(bindings.Amount(name, largest, usual), default)


def beside(name: str, attribute: str, codec: Codec[T], *, default: None) -> T | None:
    """An attribute of the child ``<name>``, whose text the field before this one stands for."""
    return _field(bindings.Beside(name, attribute, codec), default)  # type: ignore[no-any-return]


@overload
def child(cls: type[E]) -> E: ...
@overload
def child(cls: type[E], *, default: D) -> E | D: ...
@overload
def child(cls: type[E], tag: str) -> E: ...
@overload
def child(cls: type[E], tag: str, *, default: D) -> E | D: ...
def child(cls: type[Any], tag: str | None = None, *, default: Any = _REQUIRED) -> Any:
    """The child element that ``cls`` stands for; ``tag`` when it has another name here."""
    return _field(bindings.Child(tag or cls.__schema__.tag, cls), default)


def variant(
    classes: Mapping[str, type[E]],
    *,
    default: None,
    by: str = "type",
    later: tuple[str, ...] = (),
    error: type[libvirtError] = XmlError,
    missing: type[libvirtError] = XmlError,
) -> E | None:
    """The child that is one of ``classes``, by the word in its attribute ``by``; None when there is none.

    ``later``: libvirt's other words. All classes have one tag. ``error``: what any other word raises,
    ``missing``: what the lack of one does.
    """
    tag = next(iter(classes.values())).__schema__.tag
    binding = bindings.Variant(tag, by, dict(classes), later, error, missing)
    return _field(binding, default)  # type: ignore[no-any-return]


def children(cls: type[E], tag: str | None = None, *, default: tuple[E, ...]) -> tuple[E, ...]:
    """Every child element that ``cls`` stands for, in the document's order."""
    return _field(bindings.Children(tag or cls.__schema__.tag, cls), default)  # type: ignore[no-any-return]


def nested(cls: type[E], *, default: tuple[E, ...]) -> tuple[E, ...]:
    """A child in which another of its kind stands, and so on: the outermost first. ``cls`` names it."""
    return _field(bindings.Nested(cls.__schema__.tag, cls), default)  # type: ignore[no-any-return]


def flag(name: str, *, default: bool) -> bool:
    """Whether the empty child ``<name/>`` is there."""
    return _field(bindings.Flag(name), default)  # type: ignore[no-any-return]


def raw(name: str, *, default: str | None) -> str | None:
    """The child ``<name>`` and all that is in it, as the text it was."""
    return _field(bindings.Raw(name), default)  # type: ignore[no-any-return]


def foreign(*, default: tuple[str, ...]) -> tuple[str, ...]:
    """Every child of another namespace, as the text it was."""
    return _field(bindings.Foreign(""), default)  # type: ignore[no-any-return]
