"""Whatever a domain's XML says, the answer is a command line or a libvirtError, never another exception."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain, model_of
from embervirt.drivers.qemu.parts import CompileContext, EncryptedSecret, argv, compile
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError

GOLDEN = Path(__file__).resolve().parents[3] / "golden/qemu"
VALID = [path.read_text() for path in sorted(GOLDEN.glob("*.xml"))]
TAGS = sorted(
    {node.tag for text in VALID for node in etree.fromstring(text).iter() if isinstance(node.tag, str)}
)
TAGS += ["graphics", "{urn:x}foreign", "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"]
ATTRIBUTES = sorted(
    {str(key) for text in VALID for node in etree.fromstring(text).iter() for key in node.attrib}
)
WORDS = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "99999999999999999999",
    "0x1f",
    "yes",
    "on",
    "none",
    "file",
    "virtio",
    "pci",
]
WORDS += ["sda", "vdz9", "ide", "ua-x", "../x", "a,b", "\u20ac\n", "kvm", "qcow2", "drive", "custom", "cdrom"]
CONTEXT = CompileContext(
    domain_id=1,
    domain_dir="/d",
    ram_path="/r",
    monitor_fd=3,
    console_log="/l",
    secret=lambda reference: EncryptedSecret(data="", iv=""),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid domain of which up to six things were removed, repeated, renamed, moved or changed."""
    root = etree.fromstring(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 6))):
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        node, other = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        parent = node.getparent()
        match draw(st.sampled_from(["remove", "repeat", "rename", "move", "text", "set", "unset"])):
            case "remove" if parent is not None:
                parent.remove(node)
            case "repeat" if parent is not None:
                parent.append(copy.deepcopy(node))
            case "rename":
                node.tag = draw(st.sampled_from(TAGS))
            case "move":
                other.append(copy.deepcopy(node))
            case "text":
                node.text = draw(st.sampled_from(WORDS))
            case "set":
                node.set(draw(st.sampled_from(ATTRIBUTES)), draw(st.sampled_from(WORDS)))
            case "unset" if node.attrib:
                del node.attrib[draw(st.sampled_from(sorted(map(str, node.attrib))))]
            case _:
                pass
    return str(etree.tostring(root, encoding="unicode"))


def in_any_order(domain: Domain) -> tuple[Domain, list[str]]:
    """libvirt sorts controllers and disks when it reads them, and adds others behind: so do we."""
    kinds = {"controllers": (), "disks": ()}
    moving = [repr(each) for kind in kinds for each in domain.devices.lists[kind]]
    return replace(domain, devices=replace(domain.devices, **kinds)), sorted(moving)


def assert_compiled_or_refused(text: str, caps: Capabilities) -> None:
    """Defines and compiles it; what was accepted must also be stable."""
    try:
        domain = assign(postparse(parse(Domain, text), caps), caps)
        validate(domain, caps)
    except libvirtError as error:
        assert error.get_error_code() is not None and error.get_error_message()
        return
    written = render(domain)
    again = assign(postparse(domain, caps), caps)
    assert model_of(written) == domain and in_any_order(again) == in_any_order(domain)
    assert assign(postparse(again, caps), caps) == again
    assert all("\0" not in word for word in argv(compile(domain, caps, CONTEXT)))


@settings(max_examples=250)
@given(mutated())
def test_mutated_domain_is_compiled_or_refused(caps: Capabilities, text: str) -> None:
    """Changes to the tree of a valid domain end in libvirtError or in a domain that reads back the same."""
    assert_compiled_or_refused(text, caps)


@settings(max_examples=150)
@given(st.sampled_from(VALID), st.data())
def test_damaged_text_is_compiled_or_refused(caps: Capabilities, valid: str, data: st.DataObject) -> None:
    """So do changes to its characters."""
    begin = data.draw(st.integers(0, len(valid)))
    end = data.draw(st.integers(begin, min(len(valid), begin + 40)))
    assert_compiled_or_refused(valid[:begin] + data.draw(st.text(max_size=5)) + valid[end:], caps)
