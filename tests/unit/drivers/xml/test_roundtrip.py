"""Writing and reading agree for every object of a class, as generated from the class's declaration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embervirt.drivers.network.model import IpCodec, Network, NetworkPort
from embervirt.drivers.network.model.traffic import Number
from embervirt.drivers.qemu.model import Disk, Domain, Interface, Rng, Serial
from embervirt.drivers.qemu.model.cpuset import CpuSet, text_of
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.model.permissions import Mode
from embervirt.drivers.storage.model.source import Wwn
from embervirt.drivers.xml import Codec, Element, Text, parse, render
from embervirt.drivers.xml.bindings import (
    Amount,
    Attribute,
    Beside,
    Binding,
    Bytes,
    Child,
    Children,
    ChildText,
    Content,
    Flag,
    Foreign,
    Nested,
    Raw,
    Size,
    Variant,
)
from embervirt.drivers.xml.codecs import Choice, Hex, Integer, Mac, Switch, Uuid
from embervirt.drivers.xml.units import Unit

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs"))
)
FOREIGN = '<x:note xmlns:x="urn:x">text<y a="1"/>\n</x:note>'


def values(codec: Codec[Any]) -> st.SearchStrategy[Any]:
    """Values that the codec can give."""
    match codec:
        case Choice(known):
            return st.sampled_from(known)
        case Integer(low, high):
            return st.integers(low, high)
        case Hex(high) | Number(high):
            return st.integers(0, high)
        case Switch():
            return st.booleans()
        case Uuid():
            return st.uuids().map(str)
        case Unit():
            return st.sampled_from([1, 1000, 1024, 1024**2])
        case Mac():
            return st.binary(min_size=6, max_size=6).map(lambda address: address.hex(":"))
        case CpuSet():
            return st.sets(st.integers(0, 99), min_size=1, max_size=9).map(
                lambda found: text_of(tuple(found))
            )
        case IpCodec():
            return st.ip_addresses().filter(lambda address: not getattr(address, "scope_id", None))
        case Mode():
            return st.integers(0, 0o777)
        case Wwn():
            return st.binary(min_size=8, max_size=8).map(bytes.hex)
        case Text(str(pattern)):
            return st.from_regex(pattern, fullmatch=True).filter(bool).filter(lambda text: text.isprintable())
        case _:
            return st.one_of(TEXT, st.sampled_from(["\n\t\r", " ", "'\"<>&"])).filter(bool)


def fields(binding: Binding) -> st.SearchStrategy[Any]:
    """Values that a field with this binding can have."""
    match binding:
        case Attribute(_, codec) | ChildText(_, codec) | Content(_, codec):
            return values(codec)
        case Beside(codec=codec):
            return values(codec)
        case Bytes():
            return st.integers(0, 2**63 - 1)
        case Size() | Amount():
            return st.integers(0, 2**53 - 1)
        case Children(cls=cls) | Nested(cls=cls):
            return st.lists(objects(cls), max_size=2).map(tuple)
        case Child(cls=cls):
            return objects(cls)
        case Variant(classes=classes):
            return st.one_of(*map(objects, classes.values()))
        case Flag():
            return st.booleans()
        case Raw(name):
            return st.sampled_from([f"<{name}/>", f"<{name}>\n{FOREIGN}</{name}>"])
        case Foreign():
            return st.sampled_from([(), (FOREIGN,), (FOREIGN, FOREIGN)])
    raise TypeError(binding)


def objects(cls: type[Element]) -> st.SearchStrategy[Any]:
    """Objects of a class, by its declaration."""
    schema = cls.__schema__
    known = {name: fields(binding) for name, binding in schema.bindings.items()}
    required = {name: strategy for name, strategy in known.items() if name in schema.required}
    optional = {name: strategy for name, strategy in known.items() if name not in schema.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))


@pytest.mark.parametrize("cls", [Disk, Interface, Serial, Rng])
def test_devices_read_back_as_they_were(cls: type[Element]) -> None:
    """Any device that can be made reads back as itself, and is written the same again."""

    @settings(max_examples=50)
    @given(objects(cls))
    def check(value: Element) -> None:
        document = render(value)
        assert parse(cls, document, strict=True) == value
        assert render(parse(cls, document)) == document

    check()


@pytest.mark.parametrize("cls", [Pool, Volume])
def test_pools_and_volumes_read_back_as_they_were(cls: type[Element]) -> None:
    """Any pool or volume that can be made reads back as itself, and is written the same again."""

    @settings(max_examples=40)
    @given(objects(cls))
    def check(value: Element) -> None:
        document = render(value)
        assert parse(cls, document, strict=True) == value
        assert render(parse(cls, document)) == document

    check()


@pytest.mark.parametrize("cls", [Network, NetworkPort])
def test_networks_and_ports_read_back_as_they_were(cls: type[Element]) -> None:
    """Any network or port that can be made reads back as itself, and is written the same again."""

    @settings(max_examples=40)
    @given(objects(cls))
    def check(value: Element) -> None:
        document = render(value)
        assert parse(cls, document, strict=True) == value
        assert render(parse(cls, document)) == document

    check()


@settings(max_examples=25)
@given(objects(Domain))
def test_domains_read_back_as_they_were(value: Domain) -> None:
    """Any domain that can be made reads back as itself, and is written the same again."""
    document = render(value)
    assert parse(Domain, document, strict=True) == value
    assert render(parse(Domain, document)) == document
