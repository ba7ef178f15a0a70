"""Features: what is off has no details."""

from __future__ import annotations

from embervirt.drivers.qemu.model.features import Features, HyperV, Kvm
from embervirt.drivers.xml import replace


def complete(features: Features | None) -> Features | None:
    """Without what says nothing."""
    if features is None:
        return None
    smm, tcg, ioapic = features.smm, features.tcg, features.ioapic
    done = replace(
        features,
        hyperv=_hyperv(features.hyperv) if features.hyperv else None,
        kvm=_kvm(features.kvm) if features.kvm else None,
        smm=replace(smm, tseg=None) if smm and not smm.state else smm,
        tcg=tcg if tcg and tcg.tb_cache else None,
        ioapic=ioapic if ioapic and ioapic.driver else None,
    )
    return None if done == Features() else done


def _hyperv(hyperv: HyperV) -> HyperV:
    locks, vendor, timer = hyperv.spinlocks, hyperv.vendor_id, hyperv.stimer
    if timer and (not timer.state or (timer.direct and not timer.direct.state)):
        timer = replace(timer, direct=None)
    return replace(
        hyperv,
        spinlocks=replace(locks, retries=None) if locks and not locks.state else locks,
        vendor_id=replace(vendor, value=None) if vendor and not vendor.state else vendor,
        stimer=timer,
    )


def _kvm(kvm: Kvm) -> Kvm:
    ring = kvm.dirty_ring
    return replace(kvm, dirty_ring=replace(ring, size=None)) if ring and not ring.state else kvm
