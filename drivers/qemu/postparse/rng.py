"""A source of entropy that does not say all."""

from __future__ import annotations

from embervirt.drivers.qemu.model.rng import Rng, RngBackend
from embervirt.drivers.qemu.postparse import chardev_source
from embervirt.drivers.xml import replace


def complete(rng: Rng) -> Rng:
    """A rate of nothing is none."""
    rate = rng.rate if rng.rate and rng.rate.bytes else None
    if rate is not None and not rate.period:
        rate = replace(rate, period=None)
    return replace(rng, rate=rate, backend=_backend(rng.backend))


def _backend(backend: RngBackend) -> RngBackend:
    """``random`` reads /dev/random."""
    if backend.model == "random":
        return RngBackend(model="random", path=backend.path or "/dev/random")
    if backend.model == "egd" and backend.type is not None:
        chardev = chardev_source.complete(backend.chardev)
        return replace(
            backend, path=None, sources=chardev.sources, protocol=chardev.protocol, log=chardev.log
        )
    return RngBackend(model=backend.model)
