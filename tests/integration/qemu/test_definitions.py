"""Definitions and what a call changes in them: name, autostart, metadata, memory, CPUs; as libvirt 9 does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle, MetadataChanged
from guest.calls import code_of
from guest.domain import pid_of, small, uri, watching

LIVE, CONFIG, BOTH = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG, 3
ELEMENT, TITLE = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_METADATA_TITLE
INVALID, WRONG = libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INVALID_ARG
AUTOSTART = libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART


# Names.


def test_a_rename_moves_all_that_has_the_name(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """File and autostart link follow, two events tell; a handle keeps the old name and finds it by UUID."""
    domain, etc = conn.defineXML(small("old")), tmp_path / "root/etc/qemu"
    domain.setAutostart(1)
    with watching(conn.root) as events:
        assert domain.rename("new name") == 0
        told = events.wait(lambda event: isinstance(event, Lifecycle), count=2)
    assert [(e.name, e.event, e.detail) for e in told if isinstance(e, Lifecycle)] == [
        ("old", libvirt.VIR_DOMAIN_EVENT_UNDEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED_RENAMED),
        ("new name", libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_RENAMED),
    ]
    assert sorted(path.name for path in etc.rglob("*.xml")) == ["new name.xml", "new name.xml"]
    assert os.path.realpath(etc / "autostart/new name.xml") == str(etc / "new name.xml")
    assert (domain.name(), domain.autostart()) == ("old", 1)
    found = conn.lookupByName("new name")
    assert found.UUIDString() == domain.UUIDString()
    assert "<name>new name</name>" in found.XMLDesc()
    assert code_of(conn.lookupByName, "old") == libvirt.VIR_ERR_NO_DOMAIN


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", WRONG),
        ("a/b", libvirt.VIR_ERR_XML_ERROR),
        ("old", INVALID),
        ("other", INVALID),
        ("x" * 260, libvirt.VIR_ERR_SYSTEM_ERROR),
    ],
)
def test_a_name_that_cannot_be_is_refused(conn: libvirt.virConnect, name: str, code: int) -> None:
    """Empty, no file's name, its own, another's, too long; the domain stays what it was."""
    domain = conn.defineXML(small("old"))
    conn.defineXML(small("other"))
    assert code_of(domain.rename, name) == code
    assert conn.listDefinedDomains() == ["old", "other"]


def test_a_running_or_transient_domain_keeps_its_name(conn: libvirt.virConnect) -> None:
    """Its files have the name, and nobody would find them."""
    for domain in (conn.createXML(small("a")), conn.defineXML(small("b"))):
        if not domain.isActive():
            domain.create()
        with pytest.raises(libvirt.libvirtError, match="cannot rename active domain"):
            domain.rename("c")
        domain.destroy()


def test_a_rename_that_was_cut_leaves_one_domain(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Both files are there; the younger counts when the root is opened again."""
    domain, etc = conn.defineXML(small("old")), tmp_path / "root/etc/qemu"
    text = (etc / "old.xml").read_text()
    domain.rename("new")
    conn.close()
    (etc / "old.xml").write_text(text)
    os.utime(etc / "old.xml", (1, 1))
    with libvirt.open(uri(tmp_path / "root")) as again:
        assert again.listDefinedDomains() == ["new"]


# Autostart.


def test_autostart_is_libvirts_link(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """It stays with a new definition and after the next opening, and goes with the definition."""
    domain, root = conn.defineXML(small("a")), tmp_path / "root"
    link = root / "etc/qemu/autostart/a.xml"
    assert (domain.autostart(), domain.setAutostart(1), domain.autostart()) == (0, 0, 1)
    assert str(link.readlink()) == str(root / "etc/qemu/a.xml")
    conn.defineXML(small("a", uuid=domain.UUIDString(), memory=48))
    conn.close()
    with libvirt.open(uri(root)) as again:
        found = again.lookupByName("a")
        assert found.autostart() == 1
        assert [each.name() for each in again.listAllDomains(AUTOSTART)] == ["a"]
        found.setAutostart(0)
        assert (found.autostart(), os.path.lexists(link)) == (0, False)
        found.setAutostart(1)
        found.undefine()
        assert not os.path.lexists(link)


def test_a_transient_domain_has_no_definition_to_change(conn: libvirt.virConnect) -> None:
    """libvirt's refusals; what is asked of the running guest too is not done either."""
    domain = conn.createXML(small("a"))
    calls: list[Callable[[], object]] = [
        lambda: domain.setAutostart(1),
        lambda: domain.undefine(),
        lambda: domain.setMaxMemory(100_000),
        lambda: domain.setMemoryFlags(20_000, CONFIG),
        lambda: domain.setVcpusFlags(1, CONFIG),
        lambda: domain.setMetadata(TITLE, "t", None, None, BOTH),
        lambda: domain.vcpusFlags(CONFIG),
    ]
    assert [code_of(call) for call in calls] == [INVALID] * len(calls)
    assert domain.autostart() == 0
    assert "<title>" not in domain.XMLDesc()
    domain.destroy()


# Undefine.


def test_undefine_says_what_becomes_of_files(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Without the flag it is refused and nothing changes; with it the file goes too."""
    saved = tmp_path / "root/lib/qemu/save/a.save"
    domain = conn.defineXML(small("a"))
    assert domain.hasManagedSaveImage() == 0
    saved.parent.mkdir()
    saved.write_text("memory")
    assert domain.hasManagedSaveImage() == 1
    with pytest.raises(libvirt.libvirtError, match="managed save image exists"):
        domain.undefine()
    assert domain.isPersistent() == 1
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    assert not saved.exists()
    assert conn.listAllDomains() == []


def test_undefine_refuses_what_contradicts_itself(conn: libvirt.virConnect) -> None:
    """Keep and remove, and flags that nobody knows."""
    domain = conn.defineXML(small("a"))
    assert code_of(domain.undefineFlags, 4 | 8) == INVALID
    assert code_of(domain.undefineFlags, 32 | 64) == INVALID
    assert code_of(domain.undefineFlags, 128) == WRONG
    assert domain.isPersistent() == 1


def test_saved_memory_is_never_lost_silently(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """libvirt would start from it: here the start is refused until FORCE_BOOT removes it."""
    saved = tmp_path / "root/lib/qemu/save/a.save"
    domain = conn.defineXML(small("a"))
    saved.parent.mkdir()
    saved.write_text("memory")
    assert code_of(domain.create) == libvirt.VIR_ERR_NO_SUPPORT
    assert saved.exists()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT | libvirt.VIR_DOMAIN_START_BYPASS_CACHE)
    assert not saved.exists()
    domain.destroy()


# Metadata.


def test_metadata_of_a_definition_is_kept(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Each change is an event, and is there after the next opening."""
    domain = conn.defineXML(small("a"))
    with watching(conn.root) as events:
        domain.setMetadata(TITLE, "t", None, None, CONFIG)
        domain.setMetadata(ELEMENT, "<x/>", "k", "http://k", CONFIG)
        told = events.wait(lambda event: isinstance(event, MetadataChanged), count=2)
    assert [(e.type, e.uri) for e in told if isinstance(e, MetadataChanged)] == [(1, ""), (2, "http://k")]
    conn.close()
    with libvirt.open(uri(tmp_path / "root")) as again:
        found = again.lookupByName("a")
        assert (found.metadata(TITLE, None), found.metadata(ELEMENT, "http://k")) == ("t", "<x/>")
        found.setMetadata(TITLE, None, None, None)
        assert code_of(found.metadata, TITLE, None) == libvirt.VIR_ERR_NO_DOMAIN_METADATA


@pytest.mark.parametrize(
    "arguments",
    [
        (3, "x", None, None, CONFIG),
        (TITLE, "two\nlines", None, None, CONFIG),
        (TITLE, "t", "k", None, CONFIG),
        (TITLE, "t", None, "u", CONFIG),
        (ELEMENT, "<a/>", None, "u", CONFIG),
        (ELEMENT, "<a/>", "k", None, CONFIG),
        (ELEMENT, "<a/>", "k", "u", 4),
    ],
)
def test_a_wrong_argument_of_metadata_is_refused(
    conn: libvirt.virConnect, arguments: tuple[int, str, str | None, str | None, int]
) -> None:
    """Before anything is changed."""
    domain = conn.defineXML(small("a"))
    before = domain.XMLDesc()
    assert code_of(domain.setMetadata, *arguments) == WRONG
    assert domain.XMLDesc() == before


def test_metadata_of_a_running_guest_is_its_own(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """LIVE and CONFIG differ; what is live survives the opening of another process and ends with the run."""
    domain = conn.defineXML(small("a"))
    domain.create()
    with watching(conn.root) as events:
        domain.setMetadata(ELEMENT, "<now/>", "k", "http://k")
        domain.setMetadata(TITLE, "both", None, None, BOTH)
        events.wait(lambda event: isinstance(event, MetadataChanged), count=2)
    assert code_of(domain.metadata, ELEMENT, "http://k", CONFIG) == libvirt.VIR_ERR_NO_DOMAIN_METADATA
    assert code_of(domain.metadata, ELEMENT, "http://k", BOTH) == WRONG
    conn.close()
    with libvirt.open(uri(tmp_path / "root")) as again:
        found = again.lookupByName("a")
        assert found.metadata(ELEMENT, "http://k", LIVE) == "<now/>"
        assert [found.metadata(TITLE, None, flag) for flag in (LIVE, CONFIG)] == ["both", "both"]
        found.destroy()
        assert code_of(found.metadata, ELEMENT, "http://k") == libvirt.VIR_ERR_NO_DOMAIN_METADATA


# Memory and CPUs.


def test_memory_and_cpus_of_the_next_start(conn: libvirt.virConnect) -> None:
    """What is set is what the guest then has."""
    domain = conn.defineXML(small("a", memory=32))
    assert domain.setMaxMemory(48 << 10) == domain.setMemoryFlags(40 << 10, CONFIG) == 0
    assert domain.setVcpusFlags(4, CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM) == 0
    assert domain.setVcpusFlags(2, CONFIG) == 0
    assert (domain.maxMemory(), domain.info()[2], domain.vcpusFlags(0), domain.vcpusFlags(6)) == (
        *(48 << 10, 40 << 10),
        *(2, 4),
    )
    assert code_of(domain.setMemoryFlags, 49 << 10, CONFIG) == WRONG
    assert code_of(domain.setVcpusFlags, 5, CONFIG) == WRONG
    assert code_of(domain.setMemory, 1024) == INVALID
    assert code_of(domain.maxVcpus) == INVALID
    domain.create()
    assert (domain.maxVcpus(), domain.info()[3], domain.isUpdated()) == (4, 2, 0)
    domain.destroy()


def test_the_balloon_of_a_running_guest(conn: libvirt.virConnect) -> None:
    """It is asked for less, but not for more than there is; without one the guest is not asked."""
    domain = conn.createXML(small("a", devices="<memballoon model='virtio'/>"))
    assert domain.setMemory(20 << 10) == 0
    assert domain.setMemoryStatsPeriod(2) == 0
    assert "<stats period='2'/>" in domain.XMLDesc()
    told = domain.memoryStats()
    assert told["actual"] == 32 << 10  # its firmware has no driver that would give any back
    assert told["rss"] > 1000
    assert code_of(domain.setMemory, 33 << 10) == WRONG
    assert code_of(domain.setMemoryFlags, 20 << 10, LIVE | libvirt.VIR_DOMAIN_MEM_MAXIMUM) == INVALID
    domain.destroy()
    bare = conn.createXML(small("b", devices="<memballoon model='none'/>"))
    assert code_of(bare.setMemory, 20 << 10) == INVALID
    assert code_of(bare.setMemoryStatsPeriod, 2) == INVALID
    assert bare.memoryStats()["actual"] == 32 << 10
    bare.destroy()


# Statistics.


def test_a_running_guest_is_measured(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Its disk and its vCPU have done something; what is not there is an error that says so."""
    image = tmp_path / "a.raw"
    image.write_bytes(bytes(1 << 20))
    disk = f"<disk><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    card = "<interface type='user'><mac address='52:54:00:11:22:33'/></interface>"
    domain = conn.createXML(small("a", devices=disk + card))
    assert domain.blockInfo("vda")[0] == domain.blockInfo(str(image))[2] == 1 << 20
    assert len(domain.blockStats("vda")) == 5
    assert domain.blockStatsFlags("") == domain.blockStatsFlags("vda")
    ((number, state, _, cpu),), (allowed,) = domain.vcpus()
    assert (number, state, cpu < len(allowed)) == (0, 1, True)
    assert code_of(domain.blockStats, "vdb") == WRONG
    assert code_of(domain.blockInfo, "") == WRONG
    assert code_of(domain.interfaceStats, "vnet9") == WRONG
    assert code_of(domain.interfaceStats, "52:54:00:11:22:33") == libvirt.VIR_ERR_INTERNAL_ERROR
    assert domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE) == {}
    assert code_of(domain.interfaceAddresses, 7) == libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED
    assert (domain.jobInfo()[0], domain.jobStats()) == (0, {"type": 0})
    domain.destroy()


def test_there_are_no_snapshots(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """libvirt's answers for a domain without them; of those that libvirt made, that they cannot be used."""
    domain = conn.defineXML(small("a"))
    assert (domain.snapshotNum(), domain.listAllSnapshots(), domain.snapshotListNames()) == (0, [], [])
    assert (domain.hasCurrentSnapshot(), domain.listAllCheckpoints()) == (0, [])
    assert code_of(domain.snapshotLookupByName, "s") == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
    assert code_of(domain.snapshotCurrent) == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
    assert code_of(domain.checkpointLookupByName, "c") == libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT
    assert code_of(domain.backupGetXMLDesc) == libvirt.VIR_ERR_NO_DOMAIN_BACKUP
    assert code_of(domain.managedSaveGetXMLDesc) == INVALID
    described = tmp_path / "root/lib/qemu/snapshot/a"
    described.mkdir(parents=True)
    (described / "s.xml").touch()
    assert code_of(domain.snapshotNum) == libvirt.VIR_ERR_NO_SUPPORT
    assert [d.name() for d in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)] == ["a"]


# Starts, and what would be started.


def test_flags_of_a_start(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Each call knows libvirt's; others are refused before anything is done."""
    domain = conn.defineXML(small("a"))
    assert code_of(domain.createWithFlags, libvirt.VIR_DOMAIN_START_VALIDATE) == WRONG
    assert code_of(conn.createXML, small("b"), libvirt.VIR_DOMAIN_START_FORCE_BOOT) == WRONG
    assert code_of(conn.createXML, small("b", more="<x/>"), 16) == libvirt.VIR_ERR_XML_INVALID_SCHEMA
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_RESET_NVRAM)
    assert domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
    domain.destroy()


def test_the_command_line_is_the_one_that_would_run(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Apart from the monitor's socket and the id, with which its directory is named, as libvirt has it."""
    text = small("a b", uuid="6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b")
    told = conn.domainXMLToNative("qemu-argv", text)
    directory = f"{tmp_path}/root/lib/qemu/domain--1-a b"
    assert f"HOME='{directory}' " in told
    assert f"'socket,id=charmonitor,path={directory}/monitor.sock,server=on,wait=off'" in told
    domain = conn.createXML(text)
    run = Path(f"/proc/{pid_of(tmp_path / 'root', 'a b')}/cmdline").read_bytes().decode().split("\0")[:-1]
    mine = [word.replace(f"domain-{domain.ID()}-", "domain--1-") for word in run]
    differ = [word for word in mine if word not in told.replace("'", "")]
    assert [word for word in differ if not word.startswith("socket,id=charmonitor")] == []
    domain.destroy()
    assert not Path(directory).exists()
    assert code_of(conn.domainXMLToNative, "sexpr", text) == WRONG
    assert code_of(conn.domainXMLToNative, "qemu-argv", text, 1) == WRONG
    assert conn.listAllDomains() == []
