"""Pools of kind netfs: their mount, which exports there are; with a real server where one is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri
from integration.storage.conftest import volume_xml
from integration.storage.test_pools import refusal

EXPORT = "TEST_NFS_EXPORT"
"""In the environment: HOST:/DIRECTORY that this host may mount over NFS and write to."""


def netfs_xml(name: str, host: str, directory: str, target: Path) -> str:
    """An export of NFS."""
    source = f"<source><host name='{host}'/><dir path='{directory}'/><format type='nfs'/></source>"
    return f"<pool type='netfs'><name>{name}</name>{source}<target><path>{target}</path></target></pool>"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of the storage driver."""
    with libvirt.open(uri(tmp_path / "root", "storage")) as made:
        yield made


@pytest.fixture
def showmount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program of that name into the PATH which prints a text; answers the file with its arguments."""

    def put(text: str) -> Path:
        program, said = tmp_path / "bin/showmount", tmp_path / "arguments"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >{said}\n{text}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return said

    return put


def test_exports_of_a_server_are_offered(conn: libvirt.virConnect, showmount: Callable[[str], Path]) -> None:
    """As libvirt 9 gives what showmount prints; also a directory with a space."""
    said = showmount("echo '/srv/y *'; echo '/srv/a b 10.0.0.0/8,h'")
    found = conn.findStoragePoolSources("netfs", "<source><host name='box'/></source>")
    assert said.read_text() == "--no-headers --exports box\n"
    of = "  <source>\n    <host name='box'/>\n    <dir path='{}'/>\n    <format type='nfs'/>\n  </source>\n"
    assert found == f"<sources>\n{of.format('/srv/y')}{of.format('/srv/a b')}</sources>\n"


def test_what_cannot_be_looked_for_is_refused_in_libvirts_words(
    conn: libvirt.virConnect, showmount: Callable[[str], Path]
) -> None:
    """Codes and texts of libvirt 9; a host is never an option, and no server is an error with the reason."""
    find = conn.findStoragePoolSources
    assert refusal(find, "netfs", None) == (
        8, 18, "invalid argument: hostname must be specified for netfs sources",
    )  # fmt: skip
    code, _, said = refusal(find, "netfs", "<source/>")
    assert (code, "Expected exactly 1 host for the storage pool" in said) == (67, True)
    assert refusal(find, "netfs", "<source><host name='--help'/></source>")[0] == 27
    assert refusal(find, "netfs", "<source><host name='h'/><format type='x'/></source>")[0] == 67
    code, _, said = refusal(find, "dir", None)
    assert (code, "pool type 'dir' does not support source discovery" in said) == (3, True)
    code, _, said = refusal(find, "nope", None)
    assert (code, "unknown storage pool type nope" in said) == (1, True)
    showmount("echo 'clnt_create: RPC: Port mapper failure' >&2; exit 1")
    code, _, said = refusal(find, "netfs", "<source><host name='box'/></source>")
    assert (code, said.startswith("operation failed: no storage pools were found on host 'box'")) == (9, True)
    assert "Port mapper failure" in said


def test_an_export_has_one_pool(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Another directory of the server is another's; a device is none of its, so nothing is made on one."""
    pool = conn.storagePoolDefineXML(netfs_xml("n", "box", "/a", tmp_path / "m"))
    said = "operation failed: Storage source conflict with pool: 'n'"
    assert refusal(conn.storagePoolDefineXML, netfs_xml("o", "box", "/a", tmp_path / "o")) == (9, 18, said)
    conn.storagePoolDefineXML(netfs_xml("o", "box", "/b", tmp_path / "o"))
    said = "Requested operation is not valid: No source device specified when formatting pool 'n'"
    assert refusal(pool.build, libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE) == (55, 18, said)


def test_an_export_is_mounted_used_and_let_go(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A real one: its volumes are files, and it is found mounted when its root is opened again."""
    host, _, directory = os.environ.get(EXPORT, "").partition(":")
    if not directory:
        pytest.skip(f"no NFS server is named: set {EXPORT}=HOST:/DIRECTORY to an export for tests")
    target = tmp_path / "mnt"
    assert f"<dir path='{directory}'/>" in conn.findStoragePoolSources(
        "netfs", f"<source><host name='{host}'/></source>"
    )
    pool = conn.storagePoolDefineXML(netfs_xml("n", host, directory, target))
    pool.build()
    pool.create()
    try:
        assert target.is_mount()
        volume = pool.createXML(volume_xml("embervirt-test", 1 << 20, allocation=None))
        assert volume.info()[1] == 1 << 20
        volume.delete()
        with (target / "embervirt-open").open("w"):
            assert "busy" in refusal(pool.destroy)[2]
        (target / "embervirt-open").unlink()
    finally:
        pool.destroy()
    assert not target.is_mount()
