"""``virStoragePool``, ``virStorageVol`` and the connection's storage calls."""

from embervirt.libvirt.storage.calls import StorageCalls
from embervirt.libvirt.storage.pool import virStoragePool
from embervirt.libvirt.storage.volume import virStorageVol

__all__ = ["StorageCalls", "virStoragePool", "virStorageVol"]
