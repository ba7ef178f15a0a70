"""The memory balloon."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model import Memballoon
from embervirt.drivers.qemu.parts import virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Part


def parts(balloon: Memballoon, build: Build) -> Iterable[Part]:
    """Nothing for model ``none``."""
    if balloon.model == "none":
        return
    wanted = {"deflate-on-oom": balloon.autodeflate, "free-page-reporting": balloon.free_page_reporting}
    props = {key: value for key, value in wanted.items() if value is not None}
    driver = virtio.driver("virtio-balloon", balloon.model)
    yield Device(driver, balloon.id, {**props, **place(balloon.address, build)})
