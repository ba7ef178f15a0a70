"""CPU models: names of features, the description of a host's CPU, what a domain's CPU becomes."""

from __future__ import annotations

import msgspec
import pytest

from embervirt.drivers.qemu.capabilities import Accelerator, Capabilities, CpuDefinition, HostCpu
from embervirt.drivers.qemu.cpu import host, resolve
from embervirt.drivers.qemu.cpu.decode import describe, host_model
from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.cpu.names import from_linux, from_qemu, qemu_name
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError

PENRYN = cpu_map().models["Penryn"]
QEMU_NAMES = frozenset(map(qemu_name, PENRYN.features))
TCG = Accelerator(
    cpus=(CpuDefinition("qemu64"), CpuDefinition("Penryn"), CpuDefinition("EPYC", ("svm",))),
    host=HostCpu("GenuineIntel", 6, 23, 3, QEMU_NAMES - {"cx16"} | {"avx", "hypervisor", "vme"}),
)
TEXT = "<domain type='{}'><name>a</name><memory>65536</memory><os><type>hvm</type></os>{}</domain>"
CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 23
model\t\t: 1
stepping\t: 2
microcode\t: 0x8001250
cpu MHz\t\t: 2596.124
flags\t\t: fpu vme sse sse2 pni xsave constant_tsc nonstop_tsc cr8_legacy avx512_vbmi2 unheard_of

processor\t: 1
"""


def settled(caps: Capabilities, body: str, kind: str = "qemu") -> Cpu:
    """The CPU of a run."""
    able = msgspec.structs.replace(caps, tcg_cpus=TCG, kvm_cpus=TCG)
    domain = postparse(parse(Domain, TEXT.format(kind, body)), able)
    found = resolve.resolved(domain, able).cpu
    assert found is not None
    return found


def policies(cpu: Cpu) -> dict[str, str]:
    """Features by name."""
    return {each.name: each.policy for each in cpu.features}


def test_features_keep_their_meaning_in_every_language() -> None:
    """Each feature's QEMU name leads back to it; Linux's words for some are known."""
    settable = cpu_map().order.keys() - {"mbm_local", "mbm_total"}
    assert {name: from_qemu(qemu_name(name)) for name in settable} == {name: name for name in settable}
    known = {"pni": "pni", "sse4_1": "sse4.1", "sha_ni": "sha-ni", "tsc_deadline_timer": "tsc-deadline"}
    assert {flag: from_linux(flag) for flag in known} == known
    assert from_linux("unheard_of") is None


@pytest.mark.parametrize("name", cpu_map().models)
def test_model_describes_itself(name: str) -> None:
    """The features of a model, with nothing else to choose from, are that model without differences."""
    model = cpu_map().models[name]
    if not model.guest:
        pytest.skip("such a CPU is described by another model")
    found = describe(model.features.difference(model.removed), model.vendor, None, {name: frozenset()})
    assert found is not None
    assert (found.model, found.require, set(found.disable)) == (name, (), set(model.removed))


def test_host_model_is_the_nearest_with_its_differences() -> None:
    """Of the models that QEMU has, the one of that CPU's signature; what it has more and less is named."""
    found = host_model(TCG)
    assert found is not None
    assert (found.model, found.vendor) == ("Penryn", "Intel")
    assert (found.require, found.disable) == (("vme", "avx", "hypervisor"), ("cx16",))


def test_cpuinfo_is_read() -> None:
    """Vendor, signature and features come from the first processor; a stable clock is libvirt's invtsc."""
    own = host.parse(CPUINFO)
    assert own is not None
    assert (own.vendor, own.family, own.model, own.stepping) == ("AuthenticAMD", 23, 1, 2)
    assert (own.microcode, own.mhz) == (0x8001250, 2596.124)
    expected = {"fpu", "vme", "sse", "sse2", "pni", "xsave", "osxsave", "invtsc", "cr8legacy", "avx512vbmi2"}
    assert own.features == expected
    assert host.parse("Processor: ARMv7\n") is None


def test_host_model_becomes_a_model_with_the_users_features(caps: Capabilities) -> None:
    """Each run names a model; the user's features go over those of the host, an optional one as it has it."""
    wish = "<feature policy='optional' name='avx'/><feature policy='optional' name='svm'/>"
    cpu = settled(caps, f"<cpu mode='host-model'>{wish}<feature policy='force' name='cx16'/></cpu>")
    assert (cpu.mode, cpu.model and cpu.model.name, cpu.vendor) == ("custom", "Penryn", "Intel")
    own = {"avx": "require", "cx16": "force", "svm": "disable"}
    assert policies(cpu) == {"vme": "require", "hypervisor": "require", **own}


def test_removed_feature_is_off_unless_asked_for(caps: Capabilities) -> None:
    """What a model once had and has no longer is disabled, and stays when the user wants it."""
    assert policies(settled(caps, "<cpu><model>EPYC</model></cpu>")) == {"monitor": "disable"}
    wanted = "<cpu><model>EPYC</model><feature name='monitor'/></cpu>"
    assert policies(settled(caps, wanted)) == {"monitor": "require"}


def test_model_that_qemu_lacks_becomes_one_like_it(caps: Capabilities) -> None:
    """With fallback the nearest model and the differences; without it an error."""
    cpu = settled(caps, "<cpu><model>Conroe</model></cpu>")
    assert cpu.model is not None
    assert cpu.model.name in ("Penryn", "qemu64")
    assert cpu.features
    with pytest.raises(libvirtError, match="Conroe is not supported") as refused:
        settled(caps, "<cpu><model fallback='forbid'>Conroe</model></cpu>")
    assert refused.value.get_error_code() == 67


REFUSED = {
    "<cpu><model>foo</model></cpu>": (1, "Unknown CPU model foo"),
    "<cpu mode='maximum'><feature name='foo'/></cpu>": (67, "unknown CPU feature: foo"),
    "<cpu mode='host-passthrough'/>": (67, "host-passthrough"),
    "<cpu check='partial'><model>Penryn</model></cpu>": (91, "does not provide required features: cx16"),
    "<cpu check='partial'><model>486</model><feature policy='forbid' name='avx'/></cpu>": (91, "forbidden"),
    "<cpu check='partial'><model>486</model><vendor>AMD</vendor></cpu>": (91, "vendor"),
    "<cpu check='partial' match='strict'><model>486</model></cpu>": (91, "strictly"),
}


@pytest.mark.parametrize("body", REFUSED)
def test_cpu_that_cannot_be_is_refused(caps: Capabilities, body: str) -> None:
    """A CPU that nobody knows, or that this host is not, is libvirt's error when the guest starts."""
    code, words = REFUSED[body]
    with pytest.raises(libvirtError, match=words) as refused:
        settled(caps, body)
    assert refused.value.get_error_code() == code


@pytest.mark.parametrize("check", ["none", "full"])
def test_only_a_partial_check_asks_the_host_first(caps: Capabilities, check: str) -> None:
    """A host-model with a feature that the host lacks is QEMU's matter without one."""
    lacks = "<feature name='svm'/>"
    cpu = settled(caps, f"<cpu mode='host-model' check='{check}'>{lacks}</cpu>")
    assert policies(cpu)["svm"] == "require"
    with pytest.raises(libvirtError, match="does not provide required features: svm"):
        settled(caps, f"<cpu mode='host-model'>{lacks}</cpu>")


def test_unknown_model_is_unknown_as_a_minimum_too(caps: Capabilities) -> None:
    """Although the host's own takes its place."""
    with pytest.raises(libvirtError, match="Unknown CPU model foo"):
        settled(caps, "<cpu match='minimum'><model>foo</model></cpu>")


@pytest.mark.parametrize(("arch", "migratable"), [("x86_64", True), ("i686", False)])
def test_passthrough_is_migratable_where_qemu_can(caps: Capabilities, arch: str, migratable: bool) -> None:
    """The emulator for 32 bits cannot leave out what keeps a guest here."""
    able = msgspec.structs.replace(caps, arch=arch)
    domain = postparse(parse(Domain, TEXT.format("kvm", "<cpu mode='host-passthrough'/>")), able)
    assert domain.cpu is not None
    assert domain.cpu.migratable is migratable
