"""What a domain's ``<cpu>`` is for one run on this host: a model that QEMU has, every feature settled.

Source of the rules: libvirt's documentation of ``<cpu>``, and what an installed libvirt 9.0 makes of it.
"""

from __future__ import annotations

from msgspec.structs import replace as replace_struct

from embervirt.drivers.qemu.capabilities import Accelerator, Capabilities
from embervirt.drivers.qemu.cpu.decode import Described, describe, features_of, host_model, missing
from embervirt.drivers.qemu.cpu.host import physical
from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.cpu.names import from_qemu
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, CpuIncompatible
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu, CpuModel, Feature
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, InternalError

VIR_FROM_CPU = 31
ON = ("force", "require")


def resolved(domain: Domain, caps: Capabilities) -> Domain:
    """The domain with the CPU of this run.

    Raises ConfigUnsupported, InternalError (a model or feature that nobody knows), CpuIncompatible.
    """
    cpu = domain.cpu
    if cpu is None or caps.arch not in ("x86_64", "i686"):
        return domain
    unknown = next((each.name for each in cpu.features if each.name not in cpu_map().order), None)
    if unknown is not None:
        raise ConfigUnsupported(f"unknown CPU feature: {unknown}", virdomain=VIR_FROM_CPU)
    if cpu.mode == "host-passthrough" and domain.type != "kvm":
        arch = domain.os.type.arch
        what = f"CPU mode 'host-passthrough' for {arch} qemu domain on {arch} host"
        text = f"{what} is not supported by hypervisor; use 'maximum' or 'custom'"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    accelerator = settable(caps, domain.type)
    if cpu.check == "partial" and (cpu.mode == "host-model" or (cpu.model and cpu.model.name)):
        _check(cpu, accelerator, domain.type == "kvm")
    settled = _settled(cpu, accelerator)
    return replace(domain, cpu=settled if caps.arch == "x86_64" else replace(settled, migratable=None))


def settable(caps: Capabilities, domain_type: str) -> Accelerator:
    """What QEMU can do, of which libvirt does not use what is told by registers with 32-bit emulators."""
    found = caps.accelerator(domain_type)
    if caps.arch == "x86_64" or found.host is None:
        return found
    names = frozenset(name for name in found.host.features if from_qemu(name) not in cpu_map().msr)
    return replace_struct(found, host=replace_struct(found.host, features=names))


def _settled(cpu: Cpu, accelerator: Accelerator) -> Cpu:
    best = host_model(accelerator)
    has = best.features if best else frozenset()
    if cpu.mode in ("host-passthrough", "maximum"):  # QEMU gives all that the host has anyway
        return replace(cpu, features=tuple(each for each in cpu.features if each.policy != "optional"))
    if cpu.mode == "host-model":
        return _host_model(cpu, best)
    custom = _custom(cpu, has)
    return _host_model(cpu, best) if cpu.match == "minimum" else _supported(custom, accelerator)


def _optional(features: tuple[Feature, ...], has: frozenset[str]) -> tuple[Feature, ...]:
    """Optional features are there when the host has them."""
    words = {True: "require", False: "disable"}
    return tuple(
        replace(each, policy=words[each.name in has]) if each.policy == "optional" else each
        for each in features
    )


def _host_model(cpu: Cpu, best: Described | None) -> Cpu:
    if best is None:
        text = "CPU mode 'host-model' is not supported by hypervisor on this host"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    own = {each.name: each for each in _optional(cpu.features, best.features)}
    base = {
        **{name: Feature(policy="require", name=name) for name in best.require},
        **{name: Feature(policy="disable", name=name) for name in best.disable},
    }
    vendor_id = cpu.model.vendor_id if cpu.model else None
    model = CpuModel(fallback="forbid", vendor_id=vendor_id, name=best.model)
    features = tuple((base | own).values())
    return replace(cpu, mode="custom", match="exact", model=model, vendor=best.vendor, features=features)


def _custom(cpu: Cpu, has: frozenset[str]) -> Cpu:
    """What its model once had and has no longer is off, unless somebody asks for it."""
    name = cpu.model.name if cpu.model else ""
    model = cpu_map().models.get(name)
    if model is None:
        raise InternalError(f"Unknown CPU model {name}", virdomain=VIR_FROM_CPU)
    named = {each.name for each in cpu.features}
    gone = tuple(Feature(policy="disable", name=each) for each in model.removed if each not in named)
    return replace(cpu, features=(*_optional(cpu.features, has), *gone))


def _supported(cpu: Cpu, accelerator: Accelerator) -> Cpu:
    """With the nearest model that QEMU has, when it does not have this one."""
    model = cpu.model or CpuModel()
    names = missing(accelerator)
    if model.name in names or not names:  # a QEMU that does not say what it has decides itself
        return replace(cpu, model=replace(model, fallback="forbid"))
    if model.fallback == "forbid":
        text = f"CPU model {model.name} is not supported by hypervisor"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_CPU)
    wanted = cpu_map().models[model.name]
    found = describe(wanted.features.difference(wanted.removed), wanted.vendor, None, names)
    if found is None:
        text = f"CPU model {model.name} is not supported by hypervisor, nor is one like it"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_CPU)
    base = {
        **{name: Feature(policy="require", name=name) for name in found.require},
        **{name: Feature(policy="disable", name=name) for name in found.disable},
    }
    own = {each.name: each for each in cpu.features}
    nearest = replace(model, fallback="forbid", name=found.model)
    return replace(cpu, model=nearest, features=tuple((base | own).values()))


def _check(cpu: Cpu, accelerator: Accelerator, kvm: bool) -> None:
    """``check='partial'``: the host has what is asked for, and lacks what is forbidden."""
    host = accelerator.host
    if host is None:
        return
    has, vendor = features_of(host), cpu_map().vendor(host.vendor)
    own = physical()
    if kvm and own is not None:
        has |= own.features
    if cpu.vendor and vendor and cpu.vendor != vendor:
        raise CpuIncompatible(f"host CPU vendor does not match required CPU vendor {cpu.vendor}")
    named = {each.name: each.policy for each in cpu.features}
    model = cpu_map().models.get(cpu.model.name) if cpu.model else None
    base = model.features.difference(model.removed) if model else frozenset[str]()
    wanted = {name for name in base if named.get(name, "require") == "require"}
    wanted |= {name for name, policy in named.items() if policy == "require"}
    missing = cpu_map().sorted(frozenset(wanted) - has)
    if missing:
        text = f"Host CPU does not provide required features: {', '.join(missing)}"
        raise CpuIncompatible(text)
    forbidden = [name for name, policy in named.items() if policy == "forbid" and name in has]
    if forbidden:
        raise CpuIncompatible(f"Host CPU provides forbidden features: {', '.join(forbidden)}")
    extra = cpu_map().sorted(has - wanted - named.keys()) if cpu.match == "strict" else []
    if extra:
        text = f"Host CPU does not strictly match guest CPU: Extra features: {', '.join(extra)}"
        raise CpuIncompatible(text)
