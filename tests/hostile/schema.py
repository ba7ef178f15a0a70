"""What the XML of a domain or network can say, listed from its classes: tags, attributes, words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from embervirt.drivers.network.model import Network, NetworkPort
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.xml import Element, bindings
from embervirt.drivers.xml.codecs import Choice, Codec, Switch

ROOTS: tuple[type[Element], ...] = (Domain, Network, NetworkPort)


def classes(*roots: type[Element]) -> tuple[type[Element], ...]:
    """Every class that the schema of a document reaches, or of any document; the document first."""
    found: dict[type[Element], None] = {}
    left: list[type[Element]] = list(reversed(roots or ROOTS))
    while left:
        cls = left.pop()
        if cls not in found:
            found[cls] = None
            left += [inner for binding in cls.__schema__.bindings.values() for inner in _inside(binding)]
    return tuple(found)


def _inside(binding: bindings.Binding) -> Iterator[type[Element]]:
    if isinstance(binding, bindings.Variant):
        yield from binding.classes.values()
    elif isinstance(binding, bindings.Child):
        yield binding.cls


def declared(root: type[Element] = Domain) -> frozenset[tuple[str, str]]:
    """``(Class, field)`` for every field of every class of a document."""
    return frozenset((_owner(cls, name), name) for cls in classes(root) for name in cls.__schema__.bindings)


def _owner(cls: type[Element], name: str) -> str:
    """Which class of its bases declares it: an alias is one thing of all devices."""
    return next(
        base.__name__ for base in reversed(cls.__mro__) if name in vars(base).get("__annotations__", ())
    )


def said(value: Element) -> Iterator[tuple[str, str]]:
    """The fields that an object and those in it were given, as in ``declared``."""
    for name, item in vars(value).items():
        yield _owner(type(value), name), name
        for each in item if isinstance(item, tuple) else (item,):
            if isinstance(each, Element):
                yield from said(each)


@cache
def tags() -> tuple[str, ...]:
    """The names of all child elements, and some that are refused or foreign."""
    found = {tag for cls in classes() for tag in (*cls.__schema__.tags, *_plain(cls.__schema__.refuse))}
    return (*sorted(found), "{urn:x}foreign", "nobody")


@cache
def attributes() -> tuple[str, ...]:
    """The names of all attributes, and one that nobody has."""
    return (*sorted({name for cls in classes() for name in cls.__schema__.attributes}), "nobody")


@cache
def words() -> tuple[str, ...]:
    """Every word that some attribute or text can be, those that are refused included."""
    return tuple(sorted({word for codec in _codecs() for word in _words(codec)}))


def _plain(refused: frozenset[str]) -> set[str]:
    return {name for name in refused if not name.startswith("@")}


def _codecs() -> Iterator[Codec[object]]:
    for cls in classes():
        for binding in cls.__schema__.bindings.values():
            codec = getattr(binding, "codec", None)
            if codec is not None:
                yield codec


def _words(codec: Codec[object]) -> Iterator[str]:
    if isinstance(codec, Choice):
        yield from codec.values
        yield from codec.later
    elif isinstance(codec, Switch):
        yield from (codec.true, codec.false)
