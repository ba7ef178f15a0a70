"""Definitions on disk: files, links, and what somebody else put there."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from embervirt.actors.fence import Fence
from embervirt.drivers.root.definitions import Definitions, usable
from embervirt.errors import XmlError


@pytest.fixture
def kept(tmp_path: Path) -> Definitions:
    """Two directories without anything."""
    (tmp_path / "autostart").mkdir()
    return Definitions(tmp_path, tmp_path / "autostart", Fence("x", 1))


def test_a_definition_is_a_file_with_a_link_for_autostart(kept: Definitions, tmp_path: Path) -> None:
    """Forgotten, both are gone."""
    kept.define("a b", "<x/>")
    kept.set_autostart("a b", on=True)
    assert (tmp_path / "a b.xml").read_text() == "<x/>"
    assert (tmp_path / "autostart/a b.xml").resolve() == tmp_path / "a b.xml"
    assert kept.autostarting() == {"a b"}
    kept.set_autostart("a b", on=False)
    assert kept.autostarting() == set()
    kept.set_autostart("a b", on=True)
    kept.undefine("a b")
    assert [path.name for path in tmp_path.rglob("*") if path.name != "autostart"] == []


def test_only_a_link_to_the_definition_counts(kept: Definitions, tmp_path: Path) -> None:
    """Not a file, nor a link to another definition."""
    kept.define("a", "<x/>")
    (tmp_path / "autostart/a.xml").write_text("<x/>")
    (tmp_path / "autostart/b.xml").symlink_to(tmp_path / "a.xml")
    assert kept.autostarting() == set()


def test_what_is_not_usable_is_reported_and_stays(kept: Definitions, tmp_path: Path) -> None:
    """The others are read, in order; what a crash left is swept away."""
    for name in "cab":
        kept.define(name, name)
    (tmp_path / "d.xml").write_bytes(b"\xff")
    left = tmp_path / ".embervirt-x.tmp"
    left.touch()

    def read(path: Path) -> str:
        text = path.read_text()
        if text == "b":
            raise XmlError("bad")
        return text

    with capture_logs() as logs:
        assert list(usable(tmp_path, read, "thing", "x")) == ["a", "c"]
    assert [(log["event"], log["file"]) for log in logs] == [
        ("thing is not usable and was left aside", str(tmp_path / name)) for name in ("b.xml", "d.xml")
    ]
    assert (tmp_path / "b.xml").exists()
    assert not left.exists()
