"""Files and XML of networks that say what they never should, and disks that take none of them.

``HOSTILE_NETWORKS`` is the number of mutations, ``HOSTILE_SEED`` another seed than the usual one.
"""

from __future__ import annotations

import errno
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.network.store import PortRecord, Record
from embervirt.drivers.network.store import namespace as own_namespace
from embervirt.drivers.network.tables import PortRow
from embervirt.supervisor.identity import boot_id
from guest.domain import uri
from guest.namespace import Namespace
from hostile import networks
from hostile.containment import contained
from hostile.mutations import mutated
from integration.network.conftest import PROMPT, close, conn, namespace, network_xml, plug

__all__ = ["conn", "namespace"]

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
EXAMPLES = int(os.environ.get("HOSTILE_NETWORKS", "80"))
SEED = os.environ.get("HOSTILE_SEED", "1")
WRONG: tuple[object, ...] = (None, 7, -1, "x", [], {}, [None], "x" * 100_000)
SECONDS = 60.0
"""More than any of them takes."""


PLACED = "<bridge name='eb-net'/><mac address='52:54:00:aa:bb:cc'/>"


def record(**more: object) -> bytes:
    """Of an active network ``net``, as the driver writes it."""
    said = Record(
        *(UUID, "net", network_xml(more=f"<uuid>{UUID}</uuid>{PLACED}"), boot_id(), own_namespace()),
        phase="active", bridge="eb-net", mac="52:54:00:aa:bb:cc",
    )  # fmt: skip
    return msgspec.json.encode(msgspec.structs.replace(said, **more))


def port_record(**more: object) -> bytes:
    """Of a port of nobody."""
    row = PortRow(
        UUID, UUID, UUID, "guest", "run-1", "52:54:00:00:00:01", "tap", networks.PORTS[1], tap="eb1"
    )
    return msgspec.json.encode(PortRecord(boot_id(), msgspec.structs.replace(row, **more)))


def wrong(good: bytes) -> Iterator[bytes]:
    """What is no record: garbage, torn, of another shape, deep, long."""
    yield from (b"", b"\0\xff", b"null", b"[]", b"{}", b'"x"', good[: len(good) // 2], b"[" * 100_000)
    fields = json.loads(good)
    for name in fields:
        for value in WRONG:
            yield json.dumps(fields | {name: value}).encode()
        yield json.dumps({key: value for key, value in fields.items() if key != name}).encode()
    yield good + b" " * (17 << 20)


def spoil(folder: Path, contents: Iterator[bytes], suffix: str) -> None:
    """So many files, and what is no file at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / f"{number}{suffix}").write_bytes(content)
    (folder / f"directory{suffix}").mkdir()
    (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
    (folder / f"endless{suffix}").symlink_to("/dev/zero")
    os.mkfifo(folder / f"fifo{suffix}")


@pytest.mark.parametrize("place", ["run/network", "run/network/ports"])
def test_no_record_keeps_the_driver_from_starting(namespace: Namespace, tmp_path: Path, place: str) -> None:
    """Whatever is in them: networks are defined, started and stopped, and nothing of the host is lost."""
    root = tmp_path / "root"
    namespace.run("ip", "link", "add", "other", "type", "bridge")
    namespace.run("nft", "add", "table", "inet", "other")
    before = namespace.traces()
    spoil(root / place, wrong(record() if place == "run/network" else port_record()), ".json")
    begun = time.monotonic()
    with libvirt.open(uri(root, "network"), settings=PROMPT) as made:
        network = made.networkDefineXML(network_xml())
        network.create()
        network.destroy()
        network.undefine()
        for each in made.listAllNetworks():
            each.XMLDesc()
            each.destroy()
        assert made.root.tree().children and made.root.failed == ""
    assert time.monotonic() - begun < SECONDS
    assert namespace.traces() == before


@pytest.mark.parametrize(
    "more",
    [
        {"xml": "<network>"},
        {"xml": "<domain/>"},
        {"xml": network_xml("another")},
        {"uuid": "../../x"},
        {"bridge": "other", "mac": "52:54:00:00:00:01"},
        {"bridge": "../x", "mac": "52:54:00:00:00:01"},
        {"bridge": "lo"},
        {"tables": (("nonsense", "x y; flush ruleset"),)},
        {"tables": (("inet", "other; flush ruleset"),)},
        {"tables": (("inet", "other"),)},
        {"namespace": (0, -1)},
        {"name": "../../etc/qemu/networks/other"},
    ],
    ids=str,
)
@pytest.mark.parametrize("phase", ["starting", "active", "stopping"])
def test_a_record_that_lies_harms_nobody(
    namespace: Namespace, tmp_path: Path, more: dict[str, object], phase: str
) -> None:
    """What is not of that network stays: links, tables and files of others. The driver works."""
    root = tmp_path / "root"
    namespace.run("ip", "link", "add", "other", "type", "bridge")
    namespace.run("nft", "add", "table", "inet", "other")
    before = namespace.traces()
    with libvirt.open(uri(root, "network"), settings=PROMPT) as made:
        made.networkDefineXML(network_xml("other"))
    (root / "run/network/net.json").write_bytes(record(**({"phase": phase} | more)))
    with libvirt.open(uri(root, "network"), settings=PROMPT) as made:
        for each in made.listAllNetworks():
            each.XMLDesc()
            if each.isActive():
                each.destroy()
        assert [each.name() for each in made.listAllNetworks()] == ["other"]
        network = made.networkCreateXML(network_xml())
        network.destroy()
    assert namespace.traces() == before
    assert (root / "etc/qemu/networks/other.xml").exists()


LEASES = (
    b"1 x y z w\n",
    b"99999999999 52:54:00:00:00:01 10.7.7.5 h zz:zz\n",
    b"99999999999 T1 fd00::5 h x:y\n99999999999999999999999999 a 10.7.7.5 * *\n",
    "\u00b2 52:54:00:00:00:01 10.7.7.5 * *\n".encode(),
    b"\0\xff" * 1000,
    b"99999999999 " * 100_000,
)


@pytest.mark.parametrize("leases", LEASES, ids=range(len(LEASES)))
def test_leases_that_are_none_are_left_out(conn: libvirt.virConnect, tmp_path: Path, leases: bytes) -> None:
    """The rest is told."""
    network = conn.networkDefineXML(network_xml())
    path = tmp_path / "root/lib/dnsmasq/net.leases"
    path.parent.mkdir(parents=True, exist_ok=True)
    good = b"99999999999 52:54:00:00:00:07 10.7.7.7 seven *\n"
    path.write_bytes(leases + b"\n" + good)
    told = [each["hostname"] for each in network.DHCPLeases("52:54:00:00:00:07")]
    assert told == ["seven"]
    assert len(network.DHCPLeases()) <= 2


@pytest.mark.parametrize("kind", ["fifo", "directory", "endless", "huge"])
def test_leases_that_are_no_file_are_an_error_in_time(
    conn: libvirt.virConnect, tmp_path: Path, kind: str
) -> None:
    """Of the tree; nobody waits for a FIFO that nobody writes."""
    network = conn.networkDefineXML(network_xml())
    path = tmp_path / "root/lib/dnsmasq/net.leases"
    path.parent.mkdir(parents=True, exist_ok=True)
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "endless": lambda: path.symlink_to("/dev/zero"),
        "huge": lambda: path.write_bytes(b"x" * (17 << 20)),
    }
    make[kind]()
    begun = time.monotonic()
    with pytest.raises(libvirt.libvirtError):
        network.DHCPLeases()
    assert time.monotonic() - begun < SECONDS


CODES = [errno.ENOSPC, errno.EIO, errno.EROFS]
PATHS = ["*/run/network/*", "*/lib/dnsmasq/*", "*/operations.jsonl"]


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("path", PATHS)
def test_a_start_that_cannot_be_written_down_leaves_nothing(
    conn: libvirt.virConnect, namespace: Namespace, path: str, code: int
) -> None:
    """The error has the errno; no link, rule or process is left, no actor ends, and it works later."""
    network = conn.networkDefineXML(network_xml(more="<forward mode='nat'/>"))
    with (
        faults.inject("file.written", faults.error(code), where={"path": path}) as failing,
        pytest.raises(libvirt.libvirtError, match=os.strerror(code)) as caught,
    ):
        network.create()
    assert (caught.value.get_int1(), failing.hits > 0) == (code, True)
    assert (network.isActive(), namespace.traces()) == (0, [])
    assert {child.failures for child in conn.root.tree().children} == {0}
    network.create()
    network.destroy()
    assert namespace.traces() == []


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
def test_a_definition_that_cannot_be_written_is_as_it_was(conn: libvirt.virConnect, code: int) -> None:
    """New, changed, updated, or to be started with the host: refused with the file, and all is readable."""
    network = conn.networkDefineXML(network_xml())
    before = network.XMLDesc()
    host = "<host mac='52:54:00:00:00:07' ip='10.7.7.7'/>"
    for change in (
        lambda: conn.networkDefineXML(network_xml("new", "10.8.8.1")),
        lambda: conn.networkDefineXML(before.replace("10.7.7", "10.9.9")),
        lambda: network.update(3, 4, -1, host, libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG),
    ):
        where = {"path": "*/etc/qemu/networks/*"}
        says = f"cannot write '.*/etc/qemu/networks/.*{os.strerror(code)}"
        with (
            faults.inject("file.written", faults.error(code), where=where),
            pytest.raises(libvirt.libvirtError, match=says),
        ):
            change()
        assert [each.XMLDesc() for each in conn.listAllNetworks()] == [before]
    with (
        faults.inject("file.renamed", faults.error(code), where={"path": "*/autostart/*"}),
        pytest.raises(libvirt.libvirtError),
    ):
        network.setAutostart(1)
    assert network.autostart() == 0
    network.setAutostart(1)
    assert network.autostart() == 1


def test_a_port_that_cannot_be_written_down_leaves_no_tap(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """The guest's start fails, and can be tried again."""
    network = conn.networkCreateXML(network_xml())
    before = sorted(namespace.links())
    where = {"path": "*/run/network/ports/*"}
    with (
        faults.inject("file.written", faults.error(errno.ENOSPC), where=where),
        pytest.raises(libvirt.libvirtError, match="No space left on device"),
    ):
        plug(conn)
    assert (sorted(namespace.links()), network.listAllPorts()) == (before, [])
    port, descriptors = plug(conn)
    assert port.tap in namespace.links()
    close(descriptors)


@pytest.mark.timeout(120 + 5 * EXAMPLES)
def test_a_mutated_network_starts_or_is_refused_and_leaves_nothing(
    conn: libvirt.virConnect, namespace: Namespace, tmp_path: Path
) -> None:
    """Whatever it says: a libvirtError with a reason, or a network that reads back and leaves no trace."""
    place, became = tmp_path / "place", {"refused": 0, "not started": 0, "started": 0}
    place.mkdir()
    seeds = [text for text in networks.ALL if text != networks.OPTIONS]  # those go to dnsmasq as they are
    for number in range(EXAMPLES):
        chance = random.Random(f"{SEED}/{number}")
        text, begun = contained(mutated(chance.choice(seeds), chance, most=3), place), time.monotonic()
        became[lived(conn, text)] += 1
        assert (namespace.traces(), conn.listAllNetworks()) == ([], []), text
        assert time.monotonic() - begun < SECONDS, text
    assert {child.failures for child in conn.root.tree().children} == {0}
    assert list(place.iterdir()) == []
    assert min(became.values()) > 0, became


def lived(conn: libvirt.virConnect, text: str) -> str:
    """What became of it."""
    try:
        network = conn.networkDefineXML(text)
    except libvirt.libvirtError as error:
        assert error.get_error_code() is not None and error.get_error_message(), text
        return "refused"
    xml = network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    assert conn.networkDefineXML(xml).XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE) == xml, text
    try:
        network.create()
    except libvirt.libvirtError as error:
        assert error.get_error_message(), text
        network.undefine()
        return "not started"
    network.destroy()
    network.undefine()
    return "started"
