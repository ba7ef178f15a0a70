"""Firmware descriptors: which count, in which order, and what a domain becomes with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from embervirt.drivers.qemu import firmware
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError

TEXT = (
    "<domain type='qemu'><name>a</name><memory>65536</memory><os firmware='{kind}'>"
    "<type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>"
    "<features><acpi/>{features}</features></domain>"
)


def descriptor(name: str, *features: str, machine: str = "pc-q35-*", **mapping: Any) -> str:
    """A UEFI in flash whose files are called after ``name``."""
    flash = {
        "device": "flash",
        "executable": {"filename": f"/{name}.fd", "format": "raw"},
        "nvram-template": {"filename": f"/{name}_VARS.fd", "format": "raw"},
        **mapping,
    }
    target = {"architecture": "x86_64", "machines": [machine]}
    kinds = {"interface-types": ["uefi"], "description": name, "tags": []}
    return json.dumps({**kinds, "mapping": flash, "targets": [target], "features": list(features)})


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """The distribution's directory and the administrator's, which need not exist."""
    system = tmp_path / "system"
    system.mkdir()
    secure = ("requires-smm", "secure-boot")
    (system / "40-keys.json").write_text(descriptor("keys", *secure, "enrolled-keys"))
    (system / "50-secure.json").write_text(descriptor("secure", *secure))
    (system / "60-plain.json").write_text(descriptor("plain", machine="pc-*"))
    return system, tmp_path / "etc"


def chosen(caps: Capabilities, places: tuple[Path, Path], **given: str) -> Domain:
    """A domain with its firmware."""
    usual = {"kind": "efi", "machine": "q35", "os": "", "features": ""}
    domain = postparse(parse(Domain, TEXT.format(**{**usual, **given})), caps, "/nvram")
    return firmware.chosen(domain, "/nvram", places)


def code(domain: Domain) -> str:
    """The path of the firmware."""
    return domain.os.loader.path if domain.os.loader else ""


FEATURE = "<firmware><feature enabled='{}' name='{}'/></firmware>"

CHOICES = {
    "the first that fits": ({}, "/keys.fd"),
    "of that machine": ({"machine": "pc"}, "/plain.fd"),
    "without keys": ({"os": FEATURE.format("no", "enrolled-keys")}, "/secure.fd"),
    "without secure boot": ({"os": FEATURE.format("no", "secure-boot")}, "/plain.fd"),
    "with keys": ({"os": FEATURE.format("yes", "enrolled-keys")}, "/keys.fd"),
    "secure loader": ({"os": "<loader secure='yes'/>"}, "/keys.fd"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_first_descriptor_that_fits_is_taken(
    name: str, caps: Capabilities, places: tuple[Path, Path]
) -> None:
    """Of the descriptors in their order, the first that serves the machine and has what is asked for."""
    given, expected = CHOICES[name]
    assert code(chosen(caps, places, **given)) == expected


def test_chosen_firmware_brings_what_it_needs(caps: Capabilities, places: tuple[Path, Path]) -> None:
    """Its variables, their template, and SMM with a secure flash."""
    domain = chosen(caps, places)
    os, features = domain.os, domain.features
    assert os.nvram is not None
    assert (os.nvram.path, os.nvram.template) == ("/nvram/a_VARS.fd", "/keys_VARS.fd")
    assert os.loader is not None
    assert (os.loader.type, os.loader.readonly, os.loader.secure) == ("pflash", True, True)
    assert features is not None
    assert features.smm is not None


def test_more_specific_directory_hides_a_descriptor(caps: Capabilities, places: tuple[Path, Path]) -> None:
    """The same file name counts from the later directory only; an empty file hides without a replacement."""
    places[1].mkdir()
    (places[1] / "40-keys.json").write_text("")
    assert code(chosen(caps, places)) == "/secure.fd"
    (places[1] / "40-keys.json").write_text(descriptor("mine"))
    assert code(chosen(caps, places)) == "/mine.fd"
    (places[1] / "10-first.json").write_text(descriptor("first"))
    assert code(chosen(caps, places)) == "/first.fd"


REFUSED = {
    "none of that machine": (
        {"machine": "pc", "os": FEATURE.format("yes", "secure-boot")},
        9,
        "satisfy 'efi'",
    ),
    "no BIOS": ({"kind": "bios"}, 9, "satisfy 'bios'"),
    "SMM is off": ({"features": "<smm state='off'/>"}, 55, "SMM turned off"),
    "stateless": ({"os": "<loader stateless='yes'/>"}, 9, "satisfy"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wish_without_a_firmware_is_refused(name: str, caps: Capabilities, places: tuple[Path, Path]) -> None:
    """Without a firmware that fits, the start fails and says for what."""
    given, number, words = REFUSED[name]
    with pytest.raises(libvirtError, match=words) as refused:
        chosen(caps, places, **given)
    assert refused.value.get_error_code() == number


def test_template_of_a_known_code_is_found(places: tuple[Path, Path], tmp_path: Path) -> None:
    """Variables without a template in the XML are made from the descriptor's, also through a link."""
    assert firmware.template_of("/secure.fd", places) == "/secure_VARS.fd"
    link = tmp_path / "link.fd"
    link.symlink_to("/plain.fd")
    assert firmware.template_of(str(link), places) == "/plain_VARS.fd"
    assert firmware.template_of("/other.fd", places) is None


def test_damaged_descriptor_is_named(places: tuple[Path, Path]) -> None:
    """A file that is no descriptor is an error with its path, never a guest with another firmware."""
    (places[0] / "20-broken.json").write_text("{}")
    with pytest.raises(libvirtError, match="20-broken"):
        firmware.known(places)
