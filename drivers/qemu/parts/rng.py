"""A source of entropy and what feeds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Rng
from embervirt.drivers.qemu.parts import chardev_source, virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Object, Part


def parts(rng: Rng, build: Build) -> Iterable[Part]:
    """The backend, its object, then the device."""
    source: dict[str, Any] = {}
    if rng.backend.model == "random":
        source = {"filename": rng.backend.path}
    elif rng.backend.model == "egd":
        source = {"chardev": f"char{rng.id}"}
        yield from chardev_source.parts(rng.backend.chardev, f"char{rng.id}", build)
    yield Object(f"rng-{rng.backend.model}", f"obj{rng.id}", source)
    props: dict[str, Any] = {**virtio.options(rng.driver), "rng": f"obj{rng.id}"}
    if rng.rate:
        props |= {"max-bytes": rng.rate.bytes, "period": rng.rate.period or 1000}
    yield Device(virtio.driver("virtio-rng", rng.model), rng.id, {**props, **place(rng, build)})
