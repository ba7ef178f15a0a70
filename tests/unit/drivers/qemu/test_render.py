"""The renderings of a part: JSON or key=value for the command line, a command for QMP, its undoing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu.parts import (
    Blockdev,
    Chardev,
    Device,
    MachineOptions,
    Netdev,
    Object,
    Option,
    Part,
    Pluggable,
    argv,
    plug,
    unplug,
)

PARTS: list[tuple[Pluggable, list[str], tuple[str, object], tuple[str, object]]] = [
    (
        Object("rng-random", "r0", {"filename": "/dev/random"}),
        ["-object", '{"qom-type":"rng-random","id":"r0","filename":"/dev/random"}'],
        ("object-add", {"qom-type": "rng-random", "id": "r0", "filename": "/dev/random"}),
        ("object-del", {"id": "r0"}),
    ),
    (
        Blockdev({"driver": "file", "node-name": "n", "filename": "/a,b"}),
        ["-blockdev", '{"driver":"file","node-name":"n","filename":"/a,b"}'],
        ("blockdev-add", {"driver": "file", "node-name": "n", "filename": "/a,b"}),
        ("blockdev-del", {"node-name": "n"}),
    ),
    (
        Netdev("user", "h0"),
        ["-netdev", '{"type":"user","id":"h0"}'],
        ("netdev_add", {"type": "user", "id": "h0"}),
        ("netdev_del", {"id": "h0"}),
    ),
    (
        Chardev("c0", "file", {"out": "/a,b", "append": True}),
        ["-chardev", "file,id=c0,path=/a,,b,append=on"],
        ("chardev-add", {"id": "c0", "backend": {"type": "file", "data": {"out": "/a,b", "append": True}}}),
        ("chardev-remove", {"id": "c0"}),
    ),
    (
        Device("rtl8139", "net0", {"netdev": "h0"}),
        ["-device", '{"driver":"rtl8139","id":"net0","netdev":"h0"}'],
        ("device_add", {"driver": "rtl8139", "id": "net0", "netdev": "h0"}),
        ("device_del", {"id": "net0"}),
    ),
]


@pytest.mark.parametrize(("part", "words", "added", "removed"), PARTS)
def test_part_has_three_renderings(
    part: Pluggable, words: list[str], added: tuple[str, object], removed: tuple[str, object]
) -> None:
    """One part gives the argument, the command that plugs it and the command that unplugs it."""
    assert (argv([part]), plug(part), unplug(part)) == (words, added, removed)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Option("S"), ["-S"]),
        (Option("m", "64"), ["-m", "64"]),
        (MachineOptions("pc", {"usb": "off", "x": "a,b"}), ["-machine", "pc,usb=off,x=a,,b"]),
    ],
)
def test_options_are_words(part: Part, words: list[str]) -> None:
    """What only the command line has is an option and its value, commas doubled."""
    assert argv([part]) == words


def test_device_without_id_cannot_be_unplugged() -> None:
    """Asking for it is a mistake of the program that is told at once."""
    with pytest.raises(ValueError, match="without an id"):
        unplug(Device("ahci"))


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.booleans(), st.integers(), st.none())))
def test_both_renderings_say_the_same(props: dict[str, object]) -> None:
    """What the command line's JSON says is what the QMP command says, whatever the properties."""
    part = Blockdev({"node-name": "n", **props})
    assert json.loads(argv([part])[1]) == plug(part)[1]


@given(st.text(min_size=1))
def test_commas_come_back(path: str) -> None:
    """A path in a key=value option reads back as it was, however many commas it has."""
    (_, word) = argv([Chardev("c", "file", {"out": path})])
    assert word.removeprefix("file,id=c,path=").replace(",,", ",") == path
    assert word.count(",") == 2 + 2 * path.count(",")
