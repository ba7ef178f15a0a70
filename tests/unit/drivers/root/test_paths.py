"""Paths and names of a root."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.root.paths import RootPaths, short_name
from embervirt.errors import ConfigUnsupported, InvalidArgument

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=300)


def test_the_layout_is_that_of_libvirts_embedded_driver(tmp_path: Path) -> None:
    """Every directory and file is where libvirt 9 has it."""
    paths = RootPaths(tmp_path)
    layout = {
        "etc/qemu": paths.qemu_etc,
        "etc/qemu/autostart": paths.qemu_autostart,
        "etc/qemu/networks": paths.networks_etc,
        "etc/secrets": paths.secrets_etc,
        "etc/storage": paths.storage_etc,
        "etc/embervirt.toml": paths.settings_file,
        "etc/qemu.conf": paths.qemu_conf,
        "run/qemu": paths.qemu_run,
        "run/secrets": paths.secrets_run,
        "lib/qemu": paths.qemu_lib,
        "lib/embervirt": paths.own_lib,
        "log/qemu": paths.qemu_log,
        "cache/qemu": paths.qemu_cache,
        "run/qemu/driver.pid": paths.libvirt_locks[0],
        "run/secrets/driver.pid": paths.libvirt_locks[1],
    }
    assert {name: tmp_path / name for name in layout} == layout


def test_any_spelling_of_a_directory_is_the_same_root(tmp_path: Path) -> None:
    """A link, a doubled slash and a detour give equal paths and one hash."""
    real = tmp_path / "real"
    (tmp_path / "link").symlink_to(real)
    spellings = [real, tmp_path / "link", Path(f"{real}//"), tmp_path / "other/../real"]
    assert {RootPaths(spelling) for spelling in spellings} == {RootPaths(real)}
    assert len({RootPaths(spelling).hash8 for spelling in spellings}) == 1


def test_a_relative_root_is_refused() -> None:
    """Libvirt's code 67, and its words."""
    with pytest.raises(ConfigUnsupported, match=r"root path must be absolute.*'some/where'"):
        RootPaths(Path("some/where"))


def test_names_carry_the_first_eight_hex_digits_of_the_real_path() -> None:
    """The hash is SHA-256 of the path's bytes."""
    paths = RootPaths(Path("/nowhere/r\u00f6\u00f6t"))
    expected = hashlib.sha256("/nowhere/r\u00f6\u00f6t".encode()).hexdigest()[:8]
    assert paths.hash8 == expected
    assert paths.machine_name(3, "guest") == f"qemu-embed-{expected}-3-guest"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("guest", "guest"),
        ("demo.-.test.", "demo.test"),
        ("-lead", "lead"),
        ("bull\U0001f4a9", "bull"),
        ("net_(c9eed63e)", "netc9eed63e"),
        ("x" * 80, "x" * 42),
        ("x" * 41 + "-cut", "x" * 41),
    ],
)
def test_a_machine_name_is_a_host_name(name: str, end: str) -> None:
    """Characters no host name has are left out, and 64 bytes are the limit."""
    machine = RootPaths(Path("/r")).machine_name(7, name)
    assert machine.removeprefix(f"qemu-embed-{RootPaths(Path('/r')).hash8}-7-") == end
    assert len(machine) <= 64


def test_a_guests_directory_has_its_id_and_short_name(tmp_path: Path) -> None:
    """As libvirt's domain-ID-SHORTNAME."""
    directory = RootPaths(tmp_path).domain_dir(12, "a-name-of-more-than-twenty-characters")
    assert directory == tmp_path / "lib/qemu/domain-12-a-name-of-more-than-"


def test_memory_lies_in_the_root_without_a_hash(tmp_path: Path) -> None:
    """Nobody else is there."""
    assert RootPaths(tmp_path).ram_path(1, "vm", None) == tmp_path / "lib/qemu/ram/1-vm"


def test_memory_on_shared_ground_carries_the_hash(tmp_path: Path) -> None:
    """Two roots with one guest name and id on one directory never clash."""
    one, two = RootPaths(tmp_path / "one"), RootPaths(tmp_path / "two")
    first, second = (paths.ram_path(1, "vm", "/dev/shm") for paths in (one, two))
    assert first == Path(f"/dev/shm/libvirt/qemu/qemu-embed-{one.hash8}-1-vm")
    assert first != second


def test_a_sibling_whose_name_begins_like_the_root_is_outside(tmp_path: Path) -> None:
    """``/a/root2`` is not in ``/a/root``, though it begins with its name; a directory in it is inside."""
    paths = RootPaths(tmp_path / "root")
    assert paths.hash8 in str(paths.ram_path(1, "vm", str(tmp_path / "root2")))
    assert paths.ram_path(1, "vm", str(tmp_path / "root/mem")) == tmp_path / "root/mem/libvirt/qemu/1-vm"


@given(NAMES)
def test_a_short_name_is_a_legal_file_name(name: str) -> None:
    """At most 20 whole characters from the front, encodable, within a file name's 255 bytes."""
    short = short_name(name)
    assert name.startswith(short)
    assert len(short) == min(len(name), 20)
    assert len(os.fsencode(f"domain-2147483647-{short}")) <= 255
    assert os.fsencode(short).decode() == short


def test_a_cut_never_falls_inside_a_characters_bytes() -> None:
    """20 characters of four bytes each stay whole."""
    assert short_name("\U0001f4a9" * 21) == "\U0001f4a9" * 20


@pytest.mark.parametrize("name", ["", "a/b", "a\0b"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    """It would lead out of its directory."""
    with pytest.raises(InvalidArgument, match="cannot be a file name"):
        short_name(name)
