"""Compiling a domain: the command line is libvirt 9's for the same XML, secrets stay out of sight."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from described import defined
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain, EncryptionSecret
from embervirt.drivers.qemu.parts import (
    Build,
    Chardev,
    CompileContext,
    Device,
    EncryptedSecret,
    Known,
    Object,
    argv,
    compile,
    encrypt,
    missing,
)
from embervirt.drivers.xml import render

GOLDEN = Path(__file__).resolve().parents[3] / "golden/qemu"
CASES = sorted(path.stem for path in GOLDEN.glob("*.xml"))


def secret_of(reference: EncryptionSecret | Known) -> EncryptedSecret:
    """A value that tells which secret was asked for."""
    assert not isinstance(reference, Known)
    named = f"value-of-{reference.uuid or reference.usage}"
    return EncryptedSecret(data=base64.b64encode(named.encode()).decode(), iv="aXY=")


CONTEXT = CompileContext(
    domain_id=7,
    domain_dir="/root/lib/qemu/domain-7-guest",
    ram_path="/root/lib/qemu/ram/7-guest",
    monitor_fd=11,
    console_log=None,
    secret=secret_of,
)


def domain_named(case: str, caps: Capabilities) -> Domain:
    """One of the golden domains."""
    return defined((GOLDEN / f"{case}.xml").read_text(), caps)


@pytest.mark.parametrize("case", CASES)
def test_domain_becomes_this_command_line(
    case: str, caps: Capabilities, golden: Callable[[str, str], None]
) -> None:
    """Every domain of the collection compiles to the arguments that are kept beside it."""
    parts = compile(domain_named(case, caps), caps, CONTEXT)
    golden(f"qemu/{case}.argv", "\n".join(argv(parts)) + "\n")


@pytest.mark.parametrize("case", CASES)
def test_domain_is_defined_as_this_xml(
    case: str, caps: Capabilities, golden: Callable[[str, str], None]
) -> None:
    """Every domain of the collection reads back as the XML that is kept beside it."""
    golden(f"qemu/{case}.defined", render(domain_named(case, caps)))


@pytest.mark.parametrize("case", CASES)
def test_defined_xml_defines_itself(case: str, caps: Capabilities) -> None:
    """Reading back what was defined and defining it again changes nothing."""
    domain = domain_named(case, caps)
    assert defined(render(domain), caps) == domain


def test_block_node_is_named_once(caps: Capabilities) -> None:
    """Each id and node name of a domain with every kind of device is used once."""
    for case in CASES:
        parts = compile(domain_named(case, caps), caps, CONTEXT)
        ids = [part.id for part in parts if isinstance(part, Object | Chardev | Device) and part.id]
        assert len(ids) == len(set(ids)), case


def test_what_qemu_has_not_is_missing(caps: Capabilities) -> None:
    """Each device of every domain that QEMU was told of; what is the machine's own, or QEMU's, never is."""
    told = 0
    for case in CASES:
        domain = named(domain_named(case, caps))
        parts = compile(domain, caps, CONTEXT)
        build, there = Build(domain, caps, CONTEXT), {part.id for part in parts if isinstance(part, Device)}
        assert missing(build, {each for each in there if each}) == [], case
        absent = [each.id for each in missing(build, set())]
        assert sorted(absent) == sorted({each.id for each in domain.devices.all if each.id in there}), case
        told += len(absent)
    assert told > len(CASES)


BACKINGS = {
    "<source type='anonymous'/>": "ram",
    "<source type='memfd'/><access mode='shared'/>": "memfd",
    "<source type='file'/>": "file",
    "<access mode='private'/>": "file",
    "<source type='anonymous'/><access mode='shared'/>": "file",
}


@pytest.mark.parametrize(("backing", "kind"), BACKINGS.items())
def test_memory_is_a_file_when_it_is_shared(backing: str, kind: str, caps: Capabilities) -> None:
    """As libvirt has it, a way of sharing without a source means a file; the model says so too."""
    text = (GOLDEN / "pc-minimal.xml").read_text()
    domain = defined(text.replace("<os>", f"<memoryBacking>{backing}</memoryBacking><os>"), caps)
    (memory,) = [
        part
        for part in compile(domain, caps, CONTEXT)
        if isinstance(part, Object) and part.type.startswith("memory-backend-")
    ]
    assert memory.type == f"memory-backend-{kind}"
    assert domain.memory_in_file == (kind == "file")


SERIALS = {
    "<serial type='pty'/><serial type='pty'/>": ["/log/guest.log", None],
    "<serial type='null'/><serial type='pty'/>": [None, None],
    "<serial type='pty'><log file='/own'/></serial>": ["/own"],
}


@pytest.mark.parametrize(("serials", "expected"), SERIALS.items())
def test_console_log_is_for_a_pty_without_a_log_only(
    serials: str, expected: list[str | None], caps: Capabilities
) -> None:
    """The log of the console goes to the first serial port if that is a pty that names no other log."""
    text = (GOLDEN / "pc-minimal.xml").read_text().replace("</os>", f"</os><devices>{serials}</devices>")
    context = dataclasses.replace(CONTEXT, console_log="/log/guest.log")
    parts = compile(defined(text, caps), caps, context)
    assert [part.props.get("logfile") for part in parts if isinstance(part, Chardev)] == expected


def test_newer_qemu_takes_acpi_as_a_property(caps: Capabilities) -> None:
    """From QEMU 8.0 on a guest without ACPI is told so by the machine, for -no-acpi went away."""
    newer = msgspec.structs.replace(caps, version=(8, 0, 0))
    words = argv(compile(domain_named("pc-minimal", caps), newer, CONTEXT))
    assert "-no-acpi" not in words
    assert words[words.index("-machine") + 1].endswith(",acpi=off")


def test_kvm_guest_asks_for_kvm(caps: Capabilities) -> None:
    """The type of the domain is the accelerator, and only kvm gets the host's processor."""
    text = (GOLDEN / "pc-minimal.xml").read_text().replace("type='qemu'", "type='kvm'")
    words = argv(
        compile(defined(text.replace("<os>", "<cpu mode='host-passthrough'/><os>"), caps), caps, CONTEXT)
    )
    assert words[words.index("-accel") + 1] == "kvm"
    assert words[words.index("-cpu") + 1] == "host,migratable=on"


def test_secret_is_encrypted_with_the_master_key() -> None:
    """AES-256-CBC with PKCS#7 under the key and the IV gives the value back; the IV is new each time."""
    key = bytes(range(32))
    first, second = encrypt(b"a passphrase", key), encrypt(b"a passphrase", key)
    assert first.iv != second.iv
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(base64.b64decode(first.iv))).decryptor()
    padded = decryptor.update(base64.b64decode(first.data)) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    assert unpadder.update(padded) + unpadder.finalize() == b"a passphrase"


def test_secret_is_in_no_repr(caps: Capabilities) -> None:
    """Neither the encrypted value nor the part that carries it shows it when printed."""
    parts = compile(domain_named("disk-luks", caps), caps, CONTEXT)
    value = base64.b64encode(b"value-of-/dir/luks.raw").decode()
    assert any(value in word for word in argv(parts))
    assert value not in repr(parts)
    assert value not in repr(EncryptedSecret(data=value, iv=value))
