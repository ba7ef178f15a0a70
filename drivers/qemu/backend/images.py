"""What an image file says of the image that it lies upon; only qcow2 is looked into."""

from __future__ import annotations

from dataclasses import dataclass

from embervirt.drivers.images import image_at, open_data
from embervirt.drivers.images.qcow import BACKING_FORMAT, MAGIC

__all__ = ["BACKING_FORMAT", "MAGIC", "Header", "header", "open_data"]


@dataclass(frozen=True)
class Header:
    """Of an image: ``backing`` is the text in it, ``backing_format`` what the image below is said to be."""

    format: str
    backing: str | None = None
    backing_format: str | None = None


def header(path: str) -> Header:
    """What is no qcow2 is raw. Raises OSError for a file that cannot be read, and for a damaged header."""
    found = image_at(path)
    if found.format != "qcow2":
        return Header("raw")
    return Header("qcow2", found.backing, found.backing_format)
