"""The storage driver's leaves of the error tree; codes and words as libvirt 9 answers the same failure."""

from __future__ import annotations

from embervirt.errors import (
    ArgumentUnsupported,
    ConfigUnsupported,
    InternalError,
    InvalidArgument,
    NotSupported,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    SystemError_,
    XmlDetail,
    XmlError,
    libvirtError,
)

VIR_FROM_STORAGE = 18
"""``virErrorDomain`` of the storage driver."""


class InvalidPool(libvirtError):
    """A handle that is none of a pool."""

    code, virdomain, prefix = 46, VIR_FROM_STORAGE, "invalid storage pool pointer in"


class InvalidVolume(libvirtError):
    """A handle that is none of a volume."""

    code, virdomain, prefix = 47, VIR_FROM_STORAGE, "invalid storage volume pointer in"


class NoStoragePool(libvirtError):
    """No pool has that name, UUID, volume or target path."""

    code, virdomain, prefix = 49, VIR_FROM_STORAGE, "Storage pool not found"


class NoStorageVolume(libvirtError):
    """No volume has that name, key or path."""

    code, virdomain, prefix = 50, VIR_FROM_STORAGE, "Storage volume not found"


class PoolProbeFailed(libvirtError):
    """What a device holds cannot be told."""

    code, virdomain, prefix = 75, VIR_FROM_STORAGE, "Storage pool probe failed"


class PoolBuilt(libvirtError):
    """The source holds something already, which only a build that overwrites may replace."""

    code, virdomain, prefix = 76, VIR_FROM_STORAGE, "Storage pool already built"


class VolumeExists(libvirtError):
    """A volume has that name. libvirt puts the name into the middle of its message: see ``exists``."""

    code, virdomain = 90, VIR_FROM_STORAGE


def exists(name: str) -> VolumeExists:
    """The error for a volume that is there."""
    return VolumeExists(f"storage volume '{name}' exists already", info=f"'{name}'")


class StorageXml(XmlError):
    """The XML of a pool or volume says what it may not, or not what it must."""

    virdomain = VIR_FROM_STORAGE


class StorageXmlDetail(XmlDetail):
    """A text in it has a character that it may not have; libvirt's message has no prefix."""

    virdomain, prefix = VIR_FROM_STORAGE, ""


class StorageUnsupported(ConfigUnsupported):
    """A word that nobody knows, or a wish that does not go with the others."""

    virdomain = VIR_FROM_STORAGE


class StorageNotSupported(NotSupported):
    """libvirt can, this driver (or kind of pool) cannot."""

    virdomain = VIR_FROM_STORAGE


class StorageConflict(OperationFailed):
    """Another pool has that name, UUID or source."""

    virdomain = VIR_FROM_STORAGE


class StorageFailed(OperationFailed):
    """It was tried and did not work."""

    virdomain = VIR_FROM_STORAGE


class StorageInvalid(OperationInvalid):
    """Not in this state of the pool or volume, or not with this name."""

    virdomain = VIR_FROM_STORAGE


class StorageArgument(InvalidArgument):
    """A parameter of the call is not one that can be accepted."""

    virdomain = VIR_FROM_STORAGE


class StorageSystemError(SystemError_):
    """The operating system said no; ``int1`` is the errno."""

    virdomain = VIR_FROM_STORAGE


class StorageArgumentUnsupported(ArgumentUnsupported):
    """An argument that libvirt knows and this driver has not."""

    virdomain = VIR_FROM_STORAGE


class StorageOperationUnsupported(OperationUnsupported):
    """A valid wish that this kind or format of volume cannot meet."""

    virdomain = VIR_FROM_STORAGE


class StorageInternal(InternalError):
    """What libvirt gives code 1, such as a program that failed."""

    virdomain = VIR_FROM_STORAGE


class PoolRejected(StorageInternal):
    """A definition cannot be accepted; libvirt's code for it is 1, though nobody has a bug."""


class ImageDamaged(StorageInternal):
    """An image's header contradicts itself; the message names the file."""
