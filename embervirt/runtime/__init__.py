"""One runtime for each open root: lock, bus, supervision tree, drivers. See ``registry`` and ``root``."""

from embervirt.runtime.registry import acquire, open_roots
from embervirt.runtime.root import Root

__all__ = ["Root", "acquire", "open_roots"]
