"""``<features>``: what of the machine is switched on. A closed list, as in libvirt."""

from __future__ import annotations

from embervirt.drivers.xml import Element, amount, attr, child, choice, flag, integer, on_off, size


class Switch(Element, tag="state"):
    """A feature that is on when it is there and does not say otherwise."""

    state: bool = attr("state", on_off, default=True)


class Stated(Element, tag="state"):
    """A feature that must say whether it is on."""

    state: bool = attr("state", on_off)


class Apic(Element, tag="apic"):
    eoi: bool | None = attr("eoi", on_off, default=None)


class Tseg(Element, tag="tseg"):
    """Memory that only SMM sees; ``size`` is KiB here, in the XML MiB unless it says otherwise."""

    size: int = amount(largest=True, usual="MiB")


class Smm(Element, tag="smm"):
    state: bool = attr("state", on_off, default=True)
    tseg: Tseg | None = child(Tseg, default=None)


class IoApic(Element, tag="ioapic"):
    driver: str | None = attr("driver", choice("kvm", "qemu"), default=None)


class Spinlocks(Element, tag="spinlocks"):
    state: bool = attr("state", on_off)
    retries: int | None = attr("retries", integer(0, 2**32 - 1), default=None)


class VendorId(Element, tag="vendor_id"):
    state: bool = attr("state", on_off)
    value: str | None = attr("value", default=None)


class Stimer(Element, tag="stimer"):
    state: bool = attr("state", on_off)
    direct: Stated | None = child(Stated, "direct", default=None)


class HyperV(Element, tag="hyperv", closed=True):
    """Enlightenments, in libvirt's order; ``passthrough`` takes all that the host's KVM has."""

    mode: str = attr("mode", choice("custom", "passthrough"), default="custom")
    relaxed: Stated | None = child(Stated, "relaxed", default=None)
    vapic: Stated | None = child(Stated, "vapic", default=None)
    spinlocks: Spinlocks | None = child(Spinlocks, default=None)
    vpindex: Stated | None = child(Stated, "vpindex", default=None)
    runtime: Stated | None = child(Stated, "runtime", default=None)
    synic: Stated | None = child(Stated, "synic", default=None)
    stimer: Stimer | None = child(Stimer, default=None)
    reset: Stated | None = child(Stated, "reset", default=None)
    vendor_id: VendorId | None = child(VendorId, default=None)
    frequencies: Stated | None = child(Stated, "frequencies", default=None)
    reenlightenment: Stated | None = child(Stated, "reenlightenment", default=None)
    tlbflush: Stated | None = child(Stated, "tlbflush", default=None)
    ipi: Stated | None = child(Stated, "ipi", default=None)
    evmcs: Stated | None = child(Stated, "evmcs", default=None)
    avic: Stated | None = child(Stated, "avic", default=None)


class DirtyRing(Element, tag="dirty-ring"):
    state: bool = attr("state", on_off)
    size: int | None = attr("size", integer(0, 2**32 - 1), default=None)


class Kvm(Element, tag="kvm", closed=True):
    hidden: Stated | None = child(Stated, "hidden", default=None)
    hint_dedicated: Stated | None = child(Stated, "hint-dedicated", default=None)
    poll_control: Stated | None = child(Stated, "poll-control", default=None)
    pv_ipi: Stated | None = child(Stated, "pv-ipi", default=None)
    dirty_ring: DirtyRing | None = child(DirtyRing, default=None)


class Msrs(Element, tag="msrs"):
    unknown: str = attr("unknown", choice("ignore", "fault"))


class Tcg(Element, tag="tcg"):
    """``tb_cache``: KiB of translated code that are kept."""

    tb_cache: int | None = size("tb-cache", default=None)


class Features(Element, tag="features", closed=True):
    """``viridian`` and ``privnet`` are other hypervisors' and say nothing to QEMU."""

    acpi: bool = flag("acpi", default=False)
    apic: Apic | None = child(Apic, default=None)
    pae: bool = flag("pae", default=False)
    hap: Switch | None = child(Switch, "hap", default=None)
    viridian: bool = flag("viridian", default=False)
    privnet: bool = flag("privnet", default=False)
    hyperv: HyperV | None = child(HyperV, default=None)
    kvm: Kvm | None = child(Kvm, default=None)
    pvspinlock: Switch | None = child(Switch, "pvspinlock", default=None)
    pmu: Switch | None = child(Switch, "pmu", default=None)
    vmport: Switch | None = child(Switch, "vmport", default=None)
    smm: Smm | None = child(Smm, default=None)
    ioapic: IoApic | None = child(IoApic, default=None)
    vmcoreinfo: Switch | None = child(Switch, "vmcoreinfo", default=None)
    msrs: Msrs | None = child(Msrs, default=None)
    tcg: Tcg | None = child(Tcg, default=None)
