"""``-cpu`` and ``-smp``: the model, then everything else that QEMU has as a property of it."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.cpu.names import qemu_name
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu
from embervirt.drivers.qemu.model.features import Features, HyperV, Kvm
from embervirt.drivers.qemu.parts.render import options

ON = {"force": True, "require": True, "optional": True, "disable": False, "forbid": False}
"""What each policy of a feature asks of QEMU; ``cpu.resolve`` has settled the optional ones before."""

UNSETTABLE = ("cmt", "mbm_total", "mbm_local", "osxsave", "ospke", "pconfig")
"""Features that QEMU has no switch for: a guest never has them, or the guest itself switches them."""

ENLIGHTENMENTS = (
    *("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "vendor_id"),
    *("frequencies", "reenlightenment", "tlbflush", "ipi", "evmcs", "avic"),
)


def text(domain: Domain) -> str:
    """The value of ``-cpu``."""
    cpu = domain.cpu or Cpu()
    return options(
        _model(cpu),
        {**_own(cpu), **_timers(domain), **_features(domain.features), **_panic(domain), **_rest(cpu)},
    )


def _model(cpu: Cpu) -> str:
    if cpu.model is not None and cpu.model.name:
        return cpu.model.name
    return {"host-passthrough": "host", "maximum": "max"}[cpu.mode]


def _own(cpu: Cpu) -> dict[str, Any]:
    given: dict[str, Any] = {} if cpu.migratable is None else {"migratable": cpu.migratable}
    if cpu.model is not None and cpu.model.vendor_id:
        given["vendor"] = cpu.model.vendor_id
    features = (feature for feature in cpu.features if feature.name not in UNSETTABLE)
    return given | {qemu_name(feature.name): ON[feature.policy] for feature in features}


def _timers(domain: Domain) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for timer in domain.clock.timers:
        if timer.name == "kvmclock" and timer.present is not None:
            given["kvmclock"] = timer.present
        elif timer.name == "hypervclock" and timer.present:
            given["hv-time"] = True
        elif timer.name == "tsc" and timer.frequency:
            given["tsc-frequency"] = timer.frequency
    return given


def _features(features: Features | None) -> dict[str, Any]:
    if features is None:
        return {}
    given: dict[str, Any] = {}
    if features.apic and features.apic.eoi is not None:
        given["kvm-pv-eoi"] = features.apic.eoi
    if features.pvspinlock:
        given["kvm-pv-unhalt"] = features.pvspinlock.state
    if features.hyperv:
        given |= _hyperv(features.hyperv)
    if features.kvm:
        given |= _kvm(features.kvm)
    if features.pmu:
        given["pmu"] = features.pmu.state
    return given


def _hyperv(hyperv: HyperV) -> dict[str, Any]:
    given: dict[str, Any] = {"hv-passthrough": True} if hyperv.mode == "passthrough" else {}
    for name in ENLIGHTENMENTS:
        feature = getattr(hyperv, name)
        if feature is None or not feature.state:
            continue
        value: Any = True
        if name == "spinlocks":
            value = f"{feature.retries:#x}"
        elif name == "vendor_id":
            value = feature.value
        given[f"hv-{name.replace('_', '-')}"] = value
        if name == "stimer" and feature.direct:
            given["hv-stimer-direct"] = True
    return given


def _kvm(kvm: Kvm) -> dict[str, Any]:
    """What differs from QEMU's defaults."""
    given: dict[str, Any] = {"kvm": False} if kvm.hidden and kvm.hidden.state else {}
    given |= {"kvm-hint-dedicated": True} if kvm.hint_dedicated and kvm.hint_dedicated.state else {}
    given |= {"kvm-poll-control": True} if kvm.poll_control and kvm.poll_control.state else {}
    return given | ({"kvm-pv-ipi": False} if kvm.pv_ipi and not kvm.pv_ipi.state else {})


def _panic(domain: Domain) -> dict[str, Any]:
    """A ``<panic model='hyperv'>`` is one of the enlightenments."""
    return {"hv-crash": True} if any(each.model == "hyperv" for each in domain.devices.panics) else {}


def _rest(cpu: Cpu) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if cpu.cache:
        given |= {
            "emulate": {"l3-cache": True},
            "passthrough": {"host-cache-info": True, "l3-cache": False},
            "disable": {"l3-cache": False},
        }[cpu.cache.mode]
        if cpu.cache.mode != "passthrough" and cpu.mode in ("host-passthrough", "maximum"):
            given["host-cache-info"] = False
    size = cpu.maxphysaddr
    if size:
        given |= {"host-phys-bits": True} if size.mode == "passthrough" else {"phys-bits": size.bits}
    return given


def smp(domain: Domain) -> str:
    """The value of ``-smp``."""
    most, now = domain.vcpu.count, domain.vcpus
    topology = domain.cpu.topology if domain.cpu else None
    pluggable = domain.single_vcpus
    if pluggable:
        now = sum(each.enabled and not each.hotpluggable for each in pluggable.vcpus)
    given: dict[str, Any] = {"maxcpus": most} if now != most else {}
    given["sockets"] = topology.sockets if topology else most
    if topology:
        given |= {"dies": topology.dies} if topology.dies else {}
    given |= {"cores": topology.cores if topology else 1, "threads": topology.threads if topology else 1}
    return options(str(now), given)
