"""The root of the error tree: what a message may be, and the names of classes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from embervirt.errors import LONGEST, InvalidArgument, libvirtError
from embervirt.runtime.drivers import installed


def test_a_message_of_megabytes_keeps_its_ends() -> None:
    """What is wrong stands at the beginning or the end, whatever it quotes."""
    name = "x" * 8_000_000
    text = str(InvalidArgument(detail := f"the name '{name}' is too long"))
    assert text.startswith("invalid argument: the name 'xxx") and text.endswith("x' is too long")
    assert f"[{len(detail) - LONGEST} characters left out]" in text
    assert len(text) < LONGEST + 100


def test_an_ordinary_message_is_whole() -> None:
    """Also one with all the lines that a failed program said."""
    said = "\n".join(f"line {number} of it" for number in range(200))
    assert said in str(InvalidArgument(said))


def leaves(cls: type[libvirtError]) -> Iterator[type[libvirtError]]:
    """All below it."""
    for each in cls.__subclasses__():
        yield each
        yield from leaves(each)


def test_a_class_of_errors_is_known_by_its_name() -> None:
    """What a driver raises is what its caller gets: the name that travels is that of one class."""
    for driver in installed():
        import_module(f"embervirt.drivers.{driver}.errors")
    ours = [each for each in leaves(libvirtError) if each.__module__.startswith("embervirt")]
    assert len(ours) > 80
    assert [each for each in ours if libvirtError.registry[each.__name__] is not each] == []


def test_no_second_class_of_errors_has_the_name_of_another() -> None:
    """It is refused where it is written, and the first one stays."""
    with pytest.raises(TypeError, match=r"an error called InvalidArgument is in embervirt\.errors already"):
        type("InvalidArgument", (libvirtError,), {})
    assert libvirtError.registry["InvalidArgument"] is InvalidArgument
