"""What an image file can say of itself."""

from __future__ import annotations

import errno
from collections.abc import Callable

from msgspec import Struct

Read = Callable[[int, int], bytes]
"""Bytes of an open image: how many, from which offset; fewer at its end."""


class Image(Struct, frozen=True, gc=False):
    """``format`` in libvirt's words; what a file does not say is None.

    ``capacity``: bytes that a guest sees, None for all bytes of the file. ``backing``: the text in it.
    ``encryption``: qcow, luks or luks2. ``compat``, ``lazy_refcounts``, ``extended_l2``, ``data_file``: of
    qcow2; ``cluster_size`` in bytes.
    """

    format: str
    capacity: int | None = None
    backing: str | None = None
    backing_format: str | None = None
    encryption: str | None = None
    compat: str | None = None
    cluster_size: int | None = None
    lazy_refcounts: bool = False
    extended_l2: bool = False
    data_file: str | None = None


def damaged(what: str) -> OSError:
    """The error for a header that contradicts itself."""
    return OSError(errno.EINVAL, what)


def backing_text(read: Read, offset: int, length: int, longest: int) -> str | None:
    """The name of the image below; None without one. Raises OSError for one that cannot be."""
    if not offset:
        return None
    name = read(min(offset, 2**62), min(length, longest + 1))
    if not 0 < length == len(name) <= longest or b"\0" in name:
        raise damaged("the name of the image below is damaged")
    return name.decode(errors="surrogateescape")
