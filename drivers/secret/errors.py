"""The secret driver's leaves of the error tree; codes and words as libvirt 9 answers the same failure."""

from __future__ import annotations

from embervirt.errors import ConfigUnsupported, XmlError, libvirtError

VIR_FROM_SECRET = 30
"""``virErrorDomain`` of the secret driver."""


class NoSecret(libvirtError):
    """No secret has that UUID or usage, or it has no value yet."""

    code, virdomain, prefix = 66, VIR_FROM_SECRET, "Secret not found"


class InvalidSecret(libvirtError):
    """The secret is not for the caller: it is private."""

    code, virdomain, prefix = 65, VIR_FROM_SECRET, "Invalid secret"


class SecretRejected(libvirtError):
    """The definition cannot be accepted. Libvirt's code for it is 1, though nobody has a bug."""

    code, virdomain, prefix = 1, VIR_FROM_SECRET, "internal error"


class SecretConflict(SecretRejected):
    """Another secret has that usage, or this one has another, or it is private already."""


class MalformedUuid(SecretRejected):
    """The ``<uuid>`` element holds no UUID."""


class SecretXml(XmlError):
    """The XML of a secret says what it may not."""

    virdomain = VIR_FROM_SECRET


class UnknownUsage(ConfigUnsupported):
    """A usage type nobody knows."""

    virdomain = VIR_FROM_SECRET


class VaultError(libvirtError):
    """A value cannot be protected or read; the definitions are not affected. 9, "operation failed"."""

    code, virdomain, prefix = 9, VIR_FROM_SECRET, "operation failed"


class KeyUnavailable(VaultError):
    """The key that protects a root's secrets cannot be had, or is not one."""


class WrongKey(VaultError):
    """A key was had, but the root's secrets are protected by another one."""


class VaultDamaged(VaultError):
    """A file of the vault is not what was written."""
