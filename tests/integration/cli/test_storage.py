"""Commands about pools and volumes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from embervirt.cli.storage.sources import source_xml
from embervirt.drivers.storage.model import Source
from embervirt.drivers.xml import parse
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


def test_holes_stay_holes(cli: Cli) -> None:
    """Of a file that fills a volume, and of one that is filled, with --sparse; also of a part."""
    file = cli.folder / "content"
    with file.open("wb") as made:
        made.truncate(8 << 20)
        made.seek(2 << 20)
        made.write(b"x" * (1 << 20))
    cli("vol-create-as", "p", "a", "8M")
    assert cli.json("vol-info", "a", "p")["allocation"] == 8 << 20
    cli("vol-upload", "a", file, "--pool", "p", "--sparse")
    assert cli.json("vol-info", "a", "p")["allocation"] == 1 << 20
    for words, part in (
        ((), slice(None)),
        (("--offset", "1M", "--length", "1500K"), slice(1 << 20, 2524 << 10)),
    ):
        got = cli.folder / "got"
        cli("vol-download", "a", got, "--pool", "p", "--sparse", *words)
        assert got.read_bytes() == file.read_bytes()[part]
        assert got.stat().st_blocks * 512 <= 1 << 20
    cli("vol-upload", "a", file, "--pool", "p", "--sparse", "--length", "3M", "--offset", "5M")
    assert cli.json("vol-info", "a", "p")["allocation"] == 2 << 20


def test_xml_is_searched_and_only_shown(cli: Cli) -> None:
    """--xpath and --wrap of both dumps, --print-xml of a clone, --uuid and --name of what is listed."""
    cli("vol-create-as", "p", "a", "1M", "--allocation", "0")
    assert cli("vol-dumpxml", "a", "p", "--xpath", "/volume/name/text()") == "a\n"
    assert cli("pool-dumpxml", "p", "--xpath", "//name", "--wrap") == "<nodes>\n<name>p</name>\n</nodes>\n"
    assert "no XPath expression" in cli.try_("pool-dumpxml", "p", "--xpath", "][").stderr
    assert cli.try_("pool-dumpxml", "p", "--xpath", "//nothing").returncode == 1
    xml = cli("vol-clone", "a", "b", "--pool", "p", "--print-xml")
    assert "<name>b</name>" in xml and "<key>" not in xml
    assert [row["name"] for row in cli.json("vol-list", "p")] == ["a"]
    uuid = cli("vol-pool", "a", "p", "--uuid")
    assert (cli("pool-list", "--uuid"), cli("pool-list", "--name")) == (uuid, "p\n")
    assert cli("pool-list", "--uuid", "--name") == f"{uuid.strip()} p\n"


def test_a_definition_is_edited(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the editor of the environment; what cannot be a pool is refused, and the pool is as it was."""
    monkeypatch.setenv("VISUAL", "true")
    assert cli("pool-edit", "p") == "Pool p XML configuration not changed.\n"
    monkeypatch.setenv("VISUAL", "sed -i s,/images,/others,")
    assert cli("pool-edit", "p") == "Pool p XML configuration edited.\n"
    assert f"<path>{cli.folder}/others</path>" in cli("pool-dumpxml", "p", "--inactive")
    monkeypatch.setenv("VISUAL", "sed -i s,dir,nonsense,")
    done = cli.try_("pool-edit", "p", stdin="n\n")
    assert (done.returncode, "error: pool p is as it was" in done.stderr) == (1, True)
    assert "type='dir'" in cli("pool-dumpxml", "p", "--inactive")


def test_events_of_pools_are_waited_for(cli: Cli) -> None:
    """Those that there are, for as long as is said."""
    assert cli("pool-event", "--list") == "lifecycle\nrefresh\n"
    waiting = ("pool-event", "--event", "lifecycle", "--pool", "p", "--timeout", "1")
    assert cli(*waiting) == "event loop timed out\nevents received: 0\n"
    assert cli.try_("pool-event").returncode == 2


def test_a_volume_is_overwritten_and_removed(cli: Cli) -> None:
    """With --zeroed; snapshots are none of a directory's."""
    cli("vol-create-as", "p", "a", "1M")
    before = (cli.folder / "images/a").open("rb")
    with before:
        (cli.folder / "images/a").write_bytes(b"secret" * 1000)
        assert "unsupported flags" in cli.try_("vol-delete", "a", "p", "--delete-snapshots").stderr
        assert cli("vol-delete", "a", "p", "--zeroed") == "Vol a deleted\n"
        assert b"secret" not in before.read()
    assert cli.json("vol-list", "p") == []


def test_every_word_of_a_source_becomes_xml(cli: Cli) -> None:
    """As `virsh pool-define-as --print-xml` has them."""
    words = (
        ("--source-host", "h", "<host name='h'/>"), ("--source-path", "/s", "<dir path='/s'/>"),
        ("--source-dev", "/dev/x", "<device path='/dev/x'/>"), ("--source-name", "n", "<name>n</name>"),
        ("--source-format", "nfs", "<format type='nfs'/>"),
        ("--source-protocol-ver", "4", "<protocol ver='4'/>"),
        ("--source-initiator", "iqn.x", "<iqn name='iqn.x'/>"), ("--auth-type", "chap", "<auth type='chap'"),
        ("--auth-username", "me", "username='me'"), ("--secret-usage", "u", "<secret usage='u'/>"),
    )  # fmt: skip
    given = [part for option, word, _ in words for part in (option, word)]
    xml = cli("pool-define-as", "x", "netfs", "--target", "/t", "--print-xml", *given)
    assert [said for _, _, said in words if said not in xml] == []
    adapter = cli("pool-define-as", "x", "scsi", "--target", "/t", "--print-xml", "--adapter-name", "host0")
    assert "<adapter type='scsi_host' name='host0'/>" in adapter


def test_kinds_of_pools_are_told(cli: Cli) -> None:
    """As the connection tells them, and in JSON."""
    said = cli("pool-capabilities")
    assert said.startswith("<storagepoolCapabilities>\n  <pool type='dir' supported='yes'>\n")
    assert said.endswith("</storagepoolCapabilities>\n")
    assert cli.json("pool-capabilities")["xml"] == said


def test_sources_of_pools_are_found(cli: Cli) -> None:
    """By words at their place or by name, or by a file: who is asked is what was said."""
    program = cli.file("showmount", f"#!/bin/sh\necho \"$*\" >>{cli.folder}/said\necho '/srv *'\n")
    program.chmod(0o755)
    cli.environment["PATH"] = f"{cli.folder}:{os.environ['PATH']}"
    found = "<sources>\n  <source>\n    <host name='box'/>\n    <dir path='/srv'/>\n"
    found += "    <format type='nfs'/>\n  </source>\n</sources>\n"
    assert cli("find-storage-pool-sources-as", "netfs", "--host", "box") == found
    assert cli("find-storage-pool-sources-as", "netfs", "box") == found
    file = cli.file("source.xml", "<source><host name='box'/></source>")
    assert cli("find-storage-pool-sources", "netfs", file) == found
    assert cli("find-storage-pool-sources", "netfs", "--srcSpec", file) == found
    assert (cli.folder / "said").read_text() == "--no-headers --exports box\n" * 4


def test_sources_that_cannot_be_found_are_errors(cli: Cli) -> None:
    """The driver's for what nobody looks for, the command line's for words that do not go together."""
    for words, status, said in (
        (("find-storage-pool-sources", "dir"), 1, "pool type 'dir' does not support source discovery"),
        (("find-storage-pool-sources-as", "netfs"), 1, "hostname must be specified for netfs sources"),
        (("find-storage-pool-sources-as", "netfs", "--port", "3"), 2, "need a --host"),
        (("find-storage-pool-sources-as", "netfs", "h", "x"), 2, "'x' is no port"),
    ):
        done = cli.try_(*words)
        assert (done.returncode, said in done.stderr) == (status, True), done.stderr


def test_words_of_a_search_become_xml() -> None:
    """Whatever is in them."""
    said = parse(Source, source_xml("a<b", "33", "iqn.x"))
    assert [(host.name, host.port) for host in said.hosts] == [("a<b", 33)]
    assert said.initiator is not None and said.initiator.iqn is not None
    assert said.initiator.iqn.name == "iqn.x"


def test_a_volume_on_standard_output_is_nothing_but_the_volume(cli: Cli) -> None:
    """No word of ours follows its bytes."""
    cli("vol-create-as", "p", "a", "1M", "--allocation", "0")
    argv = cli.argv("vol-download", "a", "-", "--pool", "p", "--length", "5")
    done = subprocess.run(argv, env=cli.environment, capture_output=True, check=True)
    assert done.stdout == bytes(5)
