"""Images below those that qemu-img is to open, looked at first (``images.chain``)."""

from __future__ import annotations

from embervirt.drivers.images import chain
from embervirt.drivers.images.naming import named


def check(path: str, format_: str, above: str | None = None) -> int:
    """An image that is to be opened and all below it: how many files these are. Raises as ``chain.below``."""
    seen: chain.Seen = set()
    chain.note(path, seen, above)
    return 1 + sum(link.named.path is not None for link in chain.below(path, format_, seen))


def check_below(path: str, below: str, format_: str) -> int:
    """The image below one that is to be made at ``path``. Raises as ``check``."""
    found = named(below, path).path
    return 0 if found is None else check(found, format_, path)
