"""What the XML of pools and volumes says."""

from embervirt.drivers.storage.model.encryption import Cipher, Encryption, EncryptionSecret, Ivgen
from embervirt.drivers.storage.model.kinds import KINDS, VOLUME_TYPES, Kind
from embervirt.drivers.storage.model.permissions import Permissions
from embervirt.drivers.storage.model.pool import Pool, PoolTarget
from embervirt.drivers.storage.model.source import (
    Adapter,
    Auth,
    AuthSecret,
    Device,
    Dir,
    Format,
    FreeExtent,
    Host,
    Initiator,
    Source,
    Sources,
)
from embervirt.drivers.storage.model.target import BackingStore, Timestamps, VolumeFeatures, VolumeTarget
from embervirt.drivers.storage.model.volume import Extent, ExtentDevice, Volume, VolumeSource

__all__ = [
    "KINDS",
    "VOLUME_TYPES",
    "Adapter",
    "Auth",
    "AuthSecret",
    "BackingStore",
    "Cipher",
    "Device",
    "Dir",
    "Encryption",
    "EncryptionSecret",
    "Extent",
    "ExtentDevice",
    "Format",
    "FreeExtent",
    "Host",
    "Initiator",
    "Ivgen",
    "Kind",
    "Permissions",
    "Pool",
    "PoolTarget",
    "Source",
    "Sources",
    "Timestamps",
    "Volume",
    "VolumeFeatures",
    "VolumeSource",
    "VolumeTarget",
]
