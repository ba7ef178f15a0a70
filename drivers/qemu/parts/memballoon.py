"""The memory balloon."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Domain, Memballoon
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
    where = place(balloon, build)
    yield Device(driver, balloon.id, {**virtio.options(balloon.driver), **props, **where})


def polling(domain: Domain) -> Iterable[dict[str, Any]]:
    """Arguments of the ``qom-set`` commands that make statistics come. ``domain`` has its aliases."""
    for balloon in domain.devices.memballoons:
        if balloon.model != "none" and balloon.stats and balloon.stats.period:
            path = f"/machine/peripheral/{balloon.id}"
            yield {"path": path, "property": "guest-stats-polling-interval", "value": balloon.stats.period}
