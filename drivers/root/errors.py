"""Errors of a root's files."""

from __future__ import annotations

from embervirt.errors import ResourceBusy, SystemError_


class FileRefused(SystemError_):
    """What is at that path is not a file of ours: no regular file, too large, or of a foreign owner."""


class ImageInUse(ResourceBusy):
    """Somebody else uses an image in a way that does not go with this one.

    The domain is that of libvirt's lock manager.
    """

    virdomain = 42
