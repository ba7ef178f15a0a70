"""Source of entropy and memory balloon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Memballoon, Rng
from embervirt.drivers.qemu.parts.bus import pci
from embervirt.drivers.qemu.parts.names import device_id
from embervirt.drivers.qemu.parts.part import Device, Object, Part


def rng(device: Rng, index: int, root: str) -> Iterable[Part]:
    """``index`` counts the sources from 0."""
    id_ = device_id(device.alias, f"rng{index}")
    source = {"filename": device.backend.path} if device.backend.model == "random" else {}
    yield Object(f"rng-{device.backend.model}", f"obj{id_}", source)
    props: dict[str, Any] = {"rng": f"obj{id_}"}
    if device.rate:
        props |= {"max-bytes": device.rate.bytes, "period": device.rate.period or 1000}
    yield Device("virtio-rng-pci", id_, {**props, **pci(device.address, root)})


def memballoon(device: Memballoon, root: str) -> Iterable[Part]:
    """Nothing for model ``none``."""
    if device.model == "none":
        return
    wanted = {"deflate-on-oom": device.autodeflate, "free-page-reporting": device.free_page_reporting}
    props = {key: value for key, value in wanted.items() if value is not None}
    yield Device(
        "virtio-balloon-pci", device_id(device.alias, "balloon0"), {**props, **pci(device.address, root)}
    )
