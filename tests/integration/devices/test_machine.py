"""The machine that a guest sees, and what the host does for it: NUMA, SMBIOS, firmware, pinned threads."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu import firmware
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, linux, qemus, small
from guest.image import READY, ensure
from integration.devices.test_ports import ask

MACHINE = """
  <iothreads>1</iothreads><genid/>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <cpu mode='maximum'><topology sockets='2' cores='2' threads='1'/><numa>
    <cell id='0' cpus='0-1' memory='96' unit='MiB'/>
    <cell id='1' cpus='2-3' memory='32' unit='MiB'><distances><sibling id='0' value='31'/></distances></cell>
  </numa></cpu>
  <clock offset='absolute' start='1000000000'><timer name='hpet' present='no'/></clock>
  <sysinfo type='smbios'><system><entry name='manufacturer'>Ember, Inc.</entry></system></sysinfo>
  <sysinfo type='fwcfg'><entry name='opt/org.example/a'>hello</entry></sysinfo>
"""
NODES = "cat /sys/devices/system/node/node*/distance /sys/devices/system/node/node1/cpulist"
EFI = (
    "<domain type='qemu'><name>{}</name><memory unit='MiB'>64</memory><os firmware='efi'>"
    "<type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>"
)


def wide(name: str) -> str:
    """The test guest on a machine with everything that it can look at."""
    xml = linux(name).replace("<vcpu>1</vcpu>", f"<vcpu>4</vcpu>{MACHINE}", 1)
    return xml.replace("</os>", "<smbios mode='sysinfo'/></os>", 1)


def test_a_guest_sees_its_machine(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """One boot: nodes and their distances, SMBIOS, the clock, no HPET, the generation's device."""
    ensure()
    domain = conn.defineXML(wide("machine"))
    domain.create()
    console = Console(tmp_path / "root", "machine")
    console.until(READY)
    tty = ElementTree.fromstring(domain.XMLDesc()).find("devices/console")
    assert tty is not None
    pty = tty.get("tty", "")
    nodes = ask(console, pty, NODES).split()
    assert nodes[:5] == ["10", "31", "31", "10", "2-3"]
    assert "Ember, Inc." in ask(console, pty, "cat /sys/class/dmi/id/sys_vendor")
    assert int(ask(console, pty, "date +%s").split()[0]) in range(1_000_000_000, 1_000_000_900)
    assert "hpet" not in ask(console, pty, "cat /sys/devices/system/clocksource/*/available_clocksource")
    assert "QEMUVGID" in ask(console, pty, "ls /sys/bus/acpi/devices; cat /sys/bus/acpi/devices/*/hid")
    assert "return" in qemuMonitorCommand(domain, '{"execute": "query-iothreads"}', 0)
    domain.destroy()


def test_threads_run_where_they_are_pinned(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A vCPU and the emulator have the host's CPUs that the XML gives them, before the guest runs."""
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    pins = (
        f"<vcpupin vcpu='0' cpuset='{last}'/><emulatorpin cpuset='{first}'/>"
        "<vcpusched vcpus='0' scheduler='batch'/>"
    )
    domain = conn.createXML(
        small("pinned", more=f"<cputune>{pins}</cputune>"), libvirt.VIR_DOMAIN_START_PAUSED
    )
    (pid,) = qemus(tmp_path)
    answer = qemuMonitorCommand(domain, '{"execute": "query-cpus-fast"}', 0)
    thread = int(answer.partition('"thread-id":')[2].partition(",")[0].strip(" }]"))
    assert os.sched_getaffinity(thread) == {last}
    assert os.sched_getaffinity(pid) == {first}
    assert os.sched_getscheduler(thread) == os.SCHED_BATCH
    domain.destroy()


def test_cpu_that_the_host_lacks_fails_the_start(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A thread that cannot be pinned ends the start with nothing left of it."""
    pins = "<cputune><emulatorpin cpuset='9000'/></cputune>"
    with pytest.raises(libvirt.libvirtError, match="CPU affinity"):
        conn.createXML(small("pinned", more=pins))
    assert qemus(tmp_path) == []


LIMITS = {
    "<cputune><shares>100</shares></cputune>": "CPU tuning",
    "<memtune><hard_limit unit='GiB'>1</hard_limit></memtune>": "Memory cgroup",
    "<blkiotune><weight>500</weight></blkiotune>": "Block I/O tuning",
}


@pytest.mark.parametrize("more", LIMITS)
def test_limit_of_a_cgroup_is_kept_and_refused_at_the_start(conn: libvirt.virConnect, more: str) -> None:
    """A definition may have what only a cgroup can do; a guest with it never runs without it."""
    domain = conn.defineXML(small("limited", more=more))
    assert more.partition(">")[0] in domain.XMLDesc()
    with pytest.raises(libvirt.libvirtError, match=LIMITS[more]):
        domain.create()


@pytest.mark.skipif(not firmware.known(), reason="no firmware descriptors: install ovmf")
def test_uefi_has_variables_of_its_own(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """The file is made from the template at the first start, kept after that, and made anew when asked."""
    domain = conn.defineXML(EFI.format("uefi"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    live = ElementTree.fromstring(domain.XMLDesc()).find("os")
    assert live is not None
    file, template = Path(live.findtext("nvram", "")), Path(live.find("nvram").get("template", ""))  # type: ignore[union-attr]
    assert file == tmp_path / "root/lib/qemu/nvram/uefi_VARS.fd"
    assert (file.stat().st_mode & 0o777, file.read_bytes()) == (0o600, template.read_bytes())
    domain.destroy()
    file.write_bytes(b"mine".ljust(file.stat().st_size, b"\0"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert file.read_bytes()[:4] == b"mine"
    domain.destroy()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_RESET_NVRAM)
    assert file.read_bytes() == template.read_bytes()
    domain.destroy()


def test_host_model_is_settled_for_each_run(conn: libvirt.virConnect) -> None:
    """The definition keeps the wish; the running guest shows the model that it has."""
    domain = conn.defineXML(small("host", more="<cpu mode='host-model'/>"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert "mode='custom'" in domain.XMLDesc()
    assert "mode='host-model'" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    domain.destroy()
