"""Sources of entropy, balloon, watchdog, panic, vsock and TPM: what libvirt 9 makes of their XML."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import CompileContext, WatchdogAction, argv, cpu, memballoon, plug, unplug
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.compiling import DEVICES
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.validate import memballoon as balloon_rules
from embervirt.drivers.qemu.validate import panic, rng, tpm, vsock, watchdog
from embervirt.drivers.xml import parse, render
from embervirt.errors import libvirtError

XML = """<domain type='qemu'><name>g</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
<memory>131072</memory><os><type machine='{}'>hvm</type></os><devices>{}</devices></domain>"""
LISTS = ("tpms", "watchdogs", "memballoons", "rngs", "panics", "vsocks")
NO_BALLOON = "<memballoon model='none'/>"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """swtpm is there, whatever this host has."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def defined(devices: str, caps: Capabilities, machine: str = "pc") -> Domain:
    """As the driver defines it, but for its addresses."""
    devices = devices if "<memballoon" in devices else devices + NO_BALLOON
    domain = postparse(parse(Domain, XML.format(machine, devices), strict=True), caps)
    checks: tuple[Callable[[Domain], None], ...] = (
        *(panic.check, rng.check, tpm.check, vsock.check, watchdog.check, balloon_rules.check),
    )
    for check in checks:
        check(domain)
    return domain


def unused(reference: object) -> Any:
    """None of them has a secret of a disk."""
    raise AssertionError(reference)


RUN = CompileContext(7, "/root/lib/qemu/domain-7-g", "/ram", 3, None, unused)


def words(domain: Domain, caps: Capabilities, run: CompileContext = RUN) -> list[str]:
    """The arguments of these devices."""
    build = Build(named(domain), caps, run)
    lists = build.domain.devices.lists
    return argv([part for name in LISTS for device in lists[name] for part in DEVICES[name](device, build)])


ENTROPY = "<backend model='random'>/dev/urandom</backend>"
TIS = '{"driver":"tpm-tis","id":"tpm0","tpmdev":"tpm-tpm0"}'
GIVEN = {
    f"<rng model='virtio-transitional'><rate bytes='9'/>{ENTROPY}</rng>": [
        *("-object", '{"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"}', "-device"),
        '{"driver":"virtio-rng-pci-transitional","id":"rng0","rng":"objrng0","max-bytes":9,"period":1000}',
    ],
    "<rng model='virtio'><backend model='builtin'/><driver packed='on' page_per_vq='off'/></rng>": [
        *("-object", '{"qom-type":"rng-builtin","id":"objrng0"}', "-device"),
        '{"driver":"virtio-rng-pci","id":"rng0","packed":true,"page-per-vq":false,"rng":"objrng0"}',
    ],
    "<rng model='virtio'><backend model='egd' type='unix'><source mode='bind' path='/e'/></backend></rng>": [
        *("-chardev", "socket,id=charrng0,path=/e,server=on,wait=off"),
        *("-object", '{"qom-type":"rng-egd","id":"objrng0","chardev":"charrng0"}'),
        *("-device", '{"driver":"virtio-rng-pci","id":"rng0","rng":"objrng0"}'),
    ],
    "<memballoon model='virtio' autodeflate='on' freePageReporting='off'><driver iommu='on'/></memballoon>": [
        "-device",
        '{"driver":"virtio-balloon-pci","id":"balloon0","iommu_platform":true,"deflate-on-oom":true,'
        '"free-page-reporting":false}',
    ],
    "<watchdog model='ib700' action='dump'/>": [
        *("-watchdog-action", "pause", "-device", '{"driver":"ib700","id":"watchdog0"}')
    ],
    "<watchdog model='i6300esb'/>": [
        *("-watchdog-action", "reset", "-device", '{"driver":"i6300esb","id":"watchdog0"}')
    ],
    "<panic/>": ["-device", '{"driver":"pvpanic"}'],
    "<panic><address type='isa' iobase='0x505'/></panic>": ["-device", '{"driver":"pvpanic","ioport":1285}'],
    "<panic model='hyperv'/>": [],
    "<vsock model='virtio'><cid auto='no' address='4'/></vsock>": [
        *("-device", '{"driver":"vhost-vsock-pci","id":"vsock0","guest-cid":4,"vhostfd":"-1"}')
    ],
    "<tpm><backend type='emulator'/></tpm>": [
        *("-chardev", "null,id=chrtpm", "-tpmdev", "emulator,id=tpm-tpm0,chardev=chrtpm", "-device", TIS)
    ],
    "<tpm><backend type='external'><source type='unix' mode='connect' path='/s'/></backend></tpm>": [
        *("-chardev", "socket,id=chrtpm,path=/s", "-tpmdev", "emulator,id=tpm-tpm0,chardev=chrtpm"),
        *("-device", TIS),
    ],
    "<tpm><backend type='passthrough'/></tpm>": [
        "-tpmdev",
        "passthrough,id=tpm-tpm0,path=/dev/tpm0,cancel-path=/sys/class/tpm/tpm0/device/cancel",
        *("-device", TIS),
    ],
}


@pytest.mark.parametrize("xml", GIVEN)
def test_qemu_is_told_what_libvirt_tells_it(xml: str, caps: Capabilities) -> None:
    """Compared with an installed libvirt 9, but for where the devices go."""
    assert words(defined(xml, caps), caps) == GIVEN[xml]


@pytest.mark.parametrize("xml", GIVEN)
def test_a_definition_stays_what_it_is(xml: str, caps: Capabilities) -> None:
    """Completing it twice changes nothing, and it survives its own XML."""
    once = defined(xml, caps)
    assert postparse(once, caps) == once
    assert parse(Domain, render(once)) == once


def banks(version: str, bank: str) -> str:
    """A TPM with one bank of registers."""
    inside = f"<active_pcr_banks><{bank}/></active_pcr_banks>"
    return f"<tpm><backend type='emulator' version='{version}'>{inside}</backend></tpm>"


REFUSED = {
    f"<rng>{ENTROPY}</rng>": 27,
    "<rng model='virtio'><backend model='x'/></rng>": 67,
    "<rng model='virtio'><backend model='egd'/></rng>": 27,
    "<rng model='virtio'><backend model='egd' type='unix'><source host='h' service='1'/></backend></rng>": 1,
    "<memballoon model='virtio'/><memballoon model='none'/>": 1,
    "<memballoon model='bogus'/>": 27,
    "<watchdog model='itco'/>": 67,
    "<watchdog model='diag288'/>": 67,
    "<watchdog model='ib700' action='bogus'/>": 67,
    "<watchdog model='ib700'/><watchdog model='i6300esb'/>": 1,
    "<watchdog model='ib700'><address type='pci' slot='9'/></watchdog>": 67,
    "<panic model='s390'/>": 67,
    "<panic model='bogus'/>": 67,
    "<panic/><panic model='isa'/>": 27,
    "<panic model='hyperv'><address type='isa' iobase='0x505'/></panic>": 67,
    "<vsock/><vsock/>": 27,
    "<vsock><cid auto='no' address='2'/></vsock>": 67,
    "<vsock><cid auto='no' address='0'/></vsock>": 27,
    "<tpm model='tpm-crb'><backend type='emulator' version='1.2'/></tpm>": 67,
    "<tpm model='tpm-spapr'><backend type='emulator'/></tpm>": 67,
    "<tpm model='tpm-tis'/>": 27,
    "<tpm><backend type='emulator' version='3'/></tpm>": 27,
    "<tpm><backend type='emulator'/></tpm><tpm><backend type='emulator'/></tpm>": 67,
    banks("1.2", "sha1"): 27,
    banks("2.0", "md5"): 67,
}


@pytest.mark.parametrize("xml", REFUSED)
def test_what_cannot_be_is_refused_with_libvirts_code(xml: str, caps: Capabilities) -> None:
    """When it is defined, not when it is started."""
    with pytest.raises(libvirtError) as refused:
        defined(xml, caps)
    assert refused.value.get_error_code() == REFUSED[xml]


def test_a_tpm_is_refused_where_swtpm_is_not_installed(
    caps: Capabilities, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in libvirt; the message names what is missing."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(libvirtError, match="swtpm and swtpm_setup is not in PATH") as refused:
        defined("<tpm><backend type='emulator'/></tpm>", caps)
    assert refused.value.get_error_code() == 67


def test_a_run_connects_its_tpm_to_the_swtpm_of_that_run(caps: Capabilities) -> None:
    """Only a command line that is shown has a null device."""
    run = replace(RUN, tpm_socket="/root/run/swtpm/7-g-swtpm.sock")
    domain = defined("<tpm><backend type='emulator' version='2.0'/></tpm>", caps)
    assert words(domain, caps, run)[1] == "socket,id=chrtpm,path=/root/run/swtpm/7-g-swtpm.sock"


def test_statistics_of_the_balloon_are_asked_for_by_its_name(caps: Capabilities) -> None:
    """Every 0 seconds is never."""
    wanted = defined("<memballoon model='virtio'><stats period='10'/></memballoon>", caps)
    asked = {"path": "/machine/peripheral/balloon0", "property": "guest-stats-polling-interval", "value": 10}
    assert list(memballoon.polling(named(wanted))) == [asked]
    never = defined("<memballoon model='virtio'><stats period='0'/></memballoon>", caps)
    assert list(memballoon.polling(named(never))) == []
    assert never.devices.memballoons[0].stats is None


def test_the_watchdog_of_a_q35_is_only_let_loose(caps: Capabilities) -> None:
    """It is part of the machine: there is no device to make."""
    domain = defined("<watchdog model='itco' action='pause'/>", caps, "q35")
    assert words(domain, caps) == ["-watchdog-action", "pause", "-global", "ICH9-LPC.noreboot=off"]


def test_a_watchdogs_action_is_set_before_it_is_plugged_and_reset_after() -> None:
    """QEMU has one action for all, and its own is to reset the guest."""
    assert plug(WatchdogAction("pause")) == ("watchdog-set-action", {"action": "pause"})
    assert unplug(WatchdogAction("pause")) == ("watchdog-set-action", {"action": "reset"})


def test_a_source_of_entropy_with_a_name_of_its_own_is_not_counted(caps: Capabilities) -> None:
    """libvirt numbers only those that it names."""
    mine = f"<rng model='virtio'>{ENTROPY}<alias name='ua-r'/></rng><rng model='virtio'>{ENTROPY}</rng>"
    assert [each.id for each in named(defined(mine, caps)).devices.rngs] == ["ua-r", "rng0"]


def test_the_panic_of_hyperv_is_a_feature_of_the_cpu(caps: Capabilities) -> None:
    """QEMU has no device for it."""
    assert cpu.text(defined("<panic model='hyperv'/>", caps)).endswith(",hv-crash=on")
