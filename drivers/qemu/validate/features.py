"""Features that exclude each other, and their sizes."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.features import HyperV
from embervirt.errors import ConfigUnsupported, XmlError

LONGEST_VENDOR = 12
RING = (1024, 65536)
_MIB = 1024
FEWEST_RETRIES = 4095
"""Of a Hyper-V guest's spinlock, before it tells the hypervisor."""


def check(domain: Domain) -> None:
    """Each feature by itself; hypervisors' own ones only where they are."""
    features = domain.features
    if features is None:
        return
    if features.smm and features.smm.tseg:
        if not domain.q35:
            raise ConfigUnsupported("SMM TSEG is only supported with q35 machine type")
        if features.smm.tseg.size % _MIB:
            raise ConfigUnsupported("SMM TSEG size must be divisible by 1 MiB")
    if features.tcg and (features.tcg.tb_cache or 0) % _MIB:
        raise ConfigUnsupported("tb-cache size must be an integer multiple of MiB")
    if features.tcg and domain.type != "qemu":
        raise ConfigUnsupported(f"TCG features are incompatible with domain type '{domain.type}'")
    ring = features.kvm.dirty_ring if features.kvm else None
    if ring and ring.state:
        if ring.size is None:
            raise XmlError("Missing required attribute 'size' in element 'dirty-ring'")
        if not RING[0] <= ring.size <= RING[1] or ring.size & (ring.size - 1):
            raise XmlError(f"dirty ring must be power of 2 and ranges [{RING[0]}, {RING[1]}]")
    if features.hyperv:
        _hyperv(features.hyperv)


def _hyperv(hyperv: HyperV) -> None:
    if hyperv.spinlocks and hyperv.spinlocks.state and hyperv.spinlocks.retries is None:
        raise XmlError("Missing required attribute 'retries' in element 'spinlocks'")
    if hyperv.spinlocks and (hyperv.spinlocks.retries or FEWEST_RETRIES) < FEWEST_RETRIES:
        raise XmlError(f"HyperV spinlock retry count must be at least {FEWEST_RETRIES}")
    if hyperv.vendor_id and hyperv.vendor_id.state:
        value = hyperv.vendor_id.value
        if not value:
            raise XmlError("missing 'value' attribute for HyperV feature 'vendor_id'")
        if len(value) > LONGEST_VENDOR:
            raise XmlError(f"HyperV vendor_id value must not be more than {LONGEST_VENDOR} characters.")
        if "," in value:
            raise XmlError("HyperV vendor_id value is invalid: no comma is accepted")
