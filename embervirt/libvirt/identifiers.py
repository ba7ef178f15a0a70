"""UUIDs as libvirt-python's calls take and give them."""

from __future__ import annotations

import uuid

from embervirt.errors import InvalidArgument, libvirtError


def uuid_text(value: object) -> str:
    """Canonical text of 16 bytes. Anything else raises a bare libvirtError, as libvirt-python does."""
    if not isinstance(value, bytes) or len(value) != 16:
        expected = "expected 16 bytes; text goes to the call whose name ends in UUIDString"
        raise libvirtError(f"UUID {value!r}: {expected}")
    return str(uuid.UUID(bytes=value))


def uuid_from_string(text: object) -> str:
    """Canonical text of a UUID however it is spelled. Raises InvalidArgument."""
    if not isinstance(text, str):
        raise InvalidArgument(f"uuidstr {text!r}: expected text such as 6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b")
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        expected = "32 hex digits, with or without '-'"
        raise InvalidArgument(f"uuidstr in {text!r}: expected {expected}") from error


def uuid_bytes(text: str) -> bytes:
    """The 16 bytes."""
    return uuid.UUID(text).bytes
