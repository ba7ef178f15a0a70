"""A secret that is moved between disk and memory by a generation that was given up on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from embervirt.actors.fence import Fenced
from embervirt.drivers.secret.store import Disk
from embervirt.drivers.secret.tables import SecretRow
from unit.drivers.secret.test_service import ONE, Root


def test_a_move_that_was_given_up_does_not_take_the_secret_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for its disk; the next generation has the secret by the time that it is put back."""
    root = Root(tmp_path)
    root.define(ONE)
    root.put(ONE, b"x")
    remove, before = Disk.remove, root.fence

    def replaced(disk: Disk, row: SecretRow) -> None:
        monkeypatch.undo()
        before.close()
        root.restart()
        root.define(ONE, ephemeral="yes")
        root.put(ONE, b"y")
        remove(disk, row)

    monkeypatch.setattr(Disk, "remove", replaced)
    with pytest.raises(Fenced):
        root.define(ONE, ephemeral="yes")
    assert root.value(ONE) == b"y"
    assert root.names() == set()
    root.restart()
    assert root.value(ONE) == b"y"
