"""A source of entropy that does not say which file."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model.rng import Rng


def complete(rng: Rng) -> Rng:
    """``random`` reads /dev/random."""
    backend = rng.backend
    if backend.model == "random" and not backend.path:
        return replace(rng, backend=replace(backend, path="/dev/random"))
    return rng
