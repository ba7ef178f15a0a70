"""Commands about pools and volumes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from integration.cli.harness import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line with a root that has an active pool."""
    made = Cli(tmp_path, own_process=False)
    folder = tmp_path / "images"
    assert made("pool-define-as", "p", "dir", "--target", folder) == "Pool p defined\n"
    assert made("pool-build", "p") == "Pool p built\n"
    assert made("pool-start", "p") == "Pool p started\n"
    return made


def test_a_pool_is_shown_and_changed(cli: Cli) -> None:
    """With virsh's words, by name or UUID, in text and JSON, active from command to command."""
    uuid = cli("pool-uuid", "p").strip()
    assert cli("pool-list").splitlines()[1].split() == ["p", "active", "no"]
    assert cli("pool-name", uuid) == "p\n"
    assert cli("pool-autostart", uuid) == "Pool p marked as autostarted\n"
    row = cli.json("pool-info", "p")
    assert (row["state"], row["persistent"], row["autostart"]) == ("running", True, True)
    assert cli("pool-info", "p").splitlines()[2].split() == ["State:", "running"]
    assert f"<path>{cli.folder}/images</path>" in cli("pool-dumpxml", "p")
    assert cli("pool-refresh", "p") == "Pool p refreshed\n"
    assert cli("pool-destroy", "p") == "Pool p destroyed\n"
    assert cli.json("pool-list") == []
    listed = cli.json("pool-list", "--inactive", "--type", "dir", "--autostart")
    assert [each["name"] for each in listed] == ["p"]
    assert cli("pool-delete", "p") == "Pool p deleted\n"
    assert cli("pool-undefine", "p") == "Pool p has been undefined\n"
    assert cli.json("pool-list", "--all") == []
    done = cli.try_("pool-info", "p")
    said = "error: Storage pool not found: no storage pool with matching name 'p'\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_volume_is_made_filled_copied_and_removed(cli: Cli) -> None:
    """Named with its pool, or by its path alone."""
    content = os.urandom(1 << 20)
    file = cli.folder / "content"
    file.write_bytes(content)
    assert cli("vol-create-as", "p", "a", "1M", "--allocation", "0") == "Vol a created\n"
    path = cli("vol-path", "a", "--pool", "p").strip()
    assert cli("vol-upload", path, file) == f"Vol {path} filled from {file}\n"
    assert cli("vol-clone", "a", "b", "--pool", "p") == "Vol b cloned from a\n"
    cli("vol-resize", "b", "+1M", "--pool", "p")
    assert cli.json("vol-info", "b", "p")["capacity"] == 2 << 20
    got = cli.folder / "got"
    cli("vol-download", "b", got, "--pool", "p", "--length", "1M")
    assert got.read_bytes() == content
    assert [row["name"] for row in cli.json("vol-list", "p")] == ["a", "b"]
    assert cli("vol-list", "p", "--details").splitlines()[2].split()[:1] == ["b"]
    assert "<name>a</name>" in cli("vol-dumpxml", path)
    assert (cli("vol-pool", path), cli("vol-key", path), cli("vol-name", path)) == ("p\n", f"{path}\n", "a\n")
    assert cli("vol-wipe", path) == f"Vol {path} wiped\n"
    assert cli("vol-delete", "a", "p") == "Vol a deleted\n"
    assert [row["name"] for row in cli.json("vol-list", "p")] == ["b"]


def test_words_become_xml(cli: Cli) -> None:
    """What would be made is shown with --print-xml, and nothing is."""
    xml = cli("vol-create-as", "p", "a", "10G", "--format", "qcow2", "--print-xml")
    assert "<capacity unit='bytes'>10737418240</capacity>" in xml and "<format type='qcow2'/>" in xml
    xml = cli("pool-create-as", "q", "dir", "--target", "/q", "--print-xml")
    assert "<pool type='dir'>" in xml and "<path>/q</path>" in xml
    assert cli.json("vol-list", "p") == []


def test_files_describe_pools_and_volumes(cli: Cli) -> None:
    """As virsh reads them; a transient pool lasts from command to command."""
    target = f"<target><path>{cli.folder}/q</path></target>"
    pool = cli.file("q.xml", f"<pool type='dir'><name>q</name>{target}</pool>")
    assert cli("pool-create", pool, "--build") == f"Pool q created from {pool}\n"
    volume = cli.file("v.xml", "<volume><name>v</name><capacity unit='MiB'>1</capacity></volume>")
    assert cli("vol-create", "q", volume) == f"Vol v created from {volume}\n"
    copy = cli.file("w.xml", "<volume><name>w</name><capacity>0</capacity></volume>")
    assert cli("vol-create-from", "p", copy, "v", "--inputpool", "q") == "Vol w created from input vol v\n"
    assert [row["name"] for row in cli.json("vol-list", "p")] == ["w"]


@pytest.mark.parametrize("size", ["10X", "-1", "1.5G", ""])
def test_a_size_that_is_none_is_a_wrong_command_line(cli: Cli, size: str) -> None:
    """Status 2, and what is expected."""
    done = cli.try_("vol-create-as", "p", "a", "--", size)
    assert done.returncode == 2
    assert "expected such as 10G" in done.stderr
