"""What a connection tells of its host: numbers, capabilities, and the domains that it can have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import embervirt as libvirt
from guest.domain import uri


@pytest.fixture(scope="module")
def conn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[libvirt.virConnect]:
    """A root for all tests here: nothing is started."""
    with libvirt.open(uri(tmp_path_factory.mktemp("host") / "root")) as made:
        yield made


def test_node_info_is_the_hosts(conn: libvirt.virConnect) -> None:
    """The numbers agree with each other and with what Python knows of the host."""
    arch, memory, cpus, _, nodes, sockets, cores, threads = conn.getInfo()
    assert (arch, cpus) == (os.uname().machine, len(os.sched_getaffinity(0)) and os.cpu_count())
    assert int(nodes) * int(sockets) * int(cores) * int(threads) == cpus
    free = conn.getCellsFreeMemory(0, int(nodes))
    assert all(0 < each < int(memory) << 20 for each in free)
    there, running, count = conn.getCPUMap()
    assert (len(running), sum(running)) == (there, count)
    assert conn.getCPUStats(-1).keys() == {"kernel", "user", "idle", "iowait"}
    assert conn.getMemoryStats(-1)["total"] >= conn.getMemoryStats(-1)["free"] > 0
    assert conn.getFreePages([4], 0, 1)[0][4] > 0
    assert 0 < conn.getFreeMemory() <= sum(conn.getCellsFreeMemory(0, int(nodes))) * 2


def test_capabilities_name_every_machine(conn: libvirt.virConnect) -> None:
    """The host's CPU and memory, and for each emulator its machines and their other names."""
    root = ElementTree.fromstring(conn.getCapabilities())
    assert root.findtext("host/cpu/arch") == os.uname().machine
    assert int(root.findtext("host/topology/cells/cell/memory", "0")) > 0
    arch = root.find("guest/arch[@name='x86_64']")
    assert arch is not None
    assert arch.findtext("emulator") == shutil.which("qemu-system-x86_64")
    names = {each.text: each.get("canonical") for each in arch.findall("machine")}
    assert names[names["q35"]] is None
    assert "none" not in names


@pytest.mark.parametrize(("machine", "bus"), [("pc", "ide"), ("q35", "sata")])
def test_domain_capabilities_are_of_the_machine(conn: libvirt.virConnect, machine: str, bus: str) -> None:
    """Canonical name, vCPUs, disk buses; CPU models with whether they run here."""
    root = ElementTree.fromstring(conn.getDomainCapabilities(None, "x86_64", machine, "qemu"))
    assert root.findtext("machine", "").startswith("pc-")
    assert int(root.find("vcpu").get("max", "0")) in (255, 288)  # type: ignore[union-attr]
    buses = [each.text for each in root.findall("devices/disk/enum[@name='bus']/value")]
    assert (buses[0] == "ide") == (machine == "pc")
    assert bus in buses
    models = {each.text: each.get("usable") for each in root.findall("cpu/mode[@name='custom']/model")}
    assert models["qemu64"] == "yes"
    assert set(models) <= set(conn.getCPUModelNames("x86_64"))


def test_domain_capabilities_are_those_of_libvirt(conn: libvirt.virConnect) -> None:
    """With an installed libvirt 9, its CPU modes for the same emulator are the same."""
    virsh = shutil.which("virsh")
    if virsh is None:
        pytest.skip("no libvirt to compare with")
    root = Path(conn.getURI().partition("root=")[2]).parent / "libvirt"
    command = [virsh, "-c", f"qemu:///embed?root={root}", "domcapabilities", "--virttype", "qemu"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode:
        pytest.skip(f"libvirt does not answer: {asked.stderr[-200:]}")
    theirs = ElementTree.fromstring(asked.stdout).find("cpu")
    ours = ElementTree.fromstring(conn.getDomainCapabilities(virttype="qemu")).find("cpu")
    assert theirs is not None
    assert ours is not None
    assert _shape(ours) == _shape(theirs)


def _shape(item: ElementTree.Element) -> object:
    return (item.tag, item.attrib, (item.text or "").strip(), [_shape(each) for each in item])


REFUSED = {
    (None, None, "bogus", None): 8,
    (None, "aarch64", None, None): 67,
    (None, None, None, "xen"): 8,
    ("/nowhere", None, None, None): 38,
}


@pytest.mark.parametrize("question", REFUSED)
def test_impossible_question_is_refused(
    conn: libvirt.virConnect, question: tuple[str | None, str | None, str | None, str | None]
) -> None:
    """Libvirt's error for an emulator, architecture, machine or type that is not there."""
    with pytest.raises(libvirt.libvirtError) as refused:
        conn.getDomainCapabilities(*question)
    assert refused.value.get_error_code() == REFUSED[question]


def test_other_numbers_are_refused(conn: libvirt.virConnect) -> None:
    """A CPU, node, page or type that the host does not have is an error, never an empty answer."""
    calls: dict[Callable[[], object], int] = {
        lambda: conn.getCPUStats(9999): 8,
        lambda: conn.getMemoryStats(9999): 8,
        lambda: conn.getCellsFreeMemory(9999, 1): 1,
        lambda: conn.getFreePages([3], 0, 1): 67,
        lambda: conn.getMaxVcpus("xen"): 8,
        lambda: conn.getCPUModelNames("foo"): 8,
        lambda: conn.getSysinfo(): 67,
    }
    for call, code in calls.items():
        with pytest.raises(libvirt.libvirtError) as refused:
            call()
        assert refused.value.get_error_code() == code
