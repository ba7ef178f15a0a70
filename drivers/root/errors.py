"""Errors of a root's files."""

from __future__ import annotations

from embervirt.errors import SystemError_


class FileRefused(SystemError_):
    """What is at that path is not a file of ours: no regular file, too large, or of a foreign owner."""
