"""What a device holds decides whether a pool is built on it or started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embervirt.drivers.storage.backend import contents
from embervirt.drivers.storage.reading import read_pool
from embervirt.errors import libvirtError


@pytest.mark.parametrize(
    ("there", "held", "build", "start"),
    [(True, None, None, 75), (True, "gpt", 76, None), (True, "ext4", 76, 55), (False, None, 75, 8)],
)
def test_a_device_must_be_there_and_hold_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, held: str | None, build: Any, start: Any
) -> None:
    """Nothing for a build, its label for a start; with libvirt's codes for what is wrong."""
    monkeypatch.setattr(contents, "held", lambda *_: held)
    device = tmp_path / "device"
    if there:
        device.touch()
    source = f"<source><device path='{device}'/></source><target><path>/dev</path></target>"
    pool = read_pool(f"<pool type='disk'><name>d</name>{source}</pool>")
    programs: Any = None
    checks: tuple[Callable[[], Any], ...] = (
        lambda: contents.check_empty(str(device), "gpt", programs),
        lambda: contents.check_built(pool, str(device), "gpt", programs),
    )
    codes: list[Any] = []
    for check in checks:
        try:
            codes.append(check())
        except libvirtError as error:
            codes.append(error.get_error_code())
    assert codes == [build, start]
