"""An open that takes too long ends, and says for whom it waited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults


@pytest.mark.parametrize(
    ("actor", "path"),
    [("events", "root/events"), ("processes", "root/processes"), ("secret", "root/drivers/secret")],
)
def test_an_open_that_takes_too_long_names_the_actor_that_does_not_start(
    tmp_path: Path, actor: str, path: str
) -> None:
    """By its deadline, as libvirt's time-out; also when that actor does not stop either."""
    uri, settings = f"secret:///embed?root={tmp_path / 'root'}", {"calls.deadline": 0.1}
    hanging = faults.inject("actor.starting", faults.hang(), where={"actor": actor})
    with hanging, pytest.raises(libvirt.libvirtError) as late:
        libvirt.open(uri, settings=settings)
    assert late.value.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT
    waited = "root" if actor != "secret" else path
    expected = rf"{waited} was not up within 0.1 s; it waits for: {path} is starting \(setup for [0-9.]+ s\)"
    assert re.search(expected, str(late.value))
