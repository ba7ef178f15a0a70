"""Libvirt's own settings file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.config.load import load
from embervirt.config.qemu_conf import Value, parse
from embervirt.errors import SettingsError

FILE = Path("/root/etc/qemu.conf")
EVERYTHING = """\
# comment
 user = "root"   # after
vnc_port=5900
cgroup_controllers = [ "cpu", 'devices',
  # inside
  "memory" ]
empty = []
text = \"\"\"two
lines\"\"\"
negative = -1
"""


def test_every_form_of_a_value_is_read() -> None:
    """Strings of three kinds, numbers, lists over lines, comments; each with its line."""
    assert list(parse(EVERYTHING, FILE)) == [
        (2, "user", "root"),
        (3, "vnc_port", 5900),
        (4, "cgroup_controllers", ["cpu", "devices", "memory"]),
        (7, "empty", []),
        (8, "text", "two\nlines"),
        (10, "negative", -1),
    ]


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        ("user\n", 1, "a setting 'name = value'"),
        ("\n\n= 1\n", 3, "a setting"),
        ("a = \n", 1, "a string in quotes"),
        ('a = "open\n', 1, "a string in quotes"),
        ("a = word\n", 1, "a string in quotes"),
        ("a = 1 2\n", 1, "nothing more after the value of a"),
        ('a = ["x" "y"]\n', 1, "separated by ','"),
        ('\na = ["x",', 2, "separated by ','"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(content: str, line: int, expected: str) -> None:
    """File, line, what was expected and what stands there."""
    with pytest.raises(SettingsError) as caught:
        list(parse(content, FILE))
    assert caught.value.detail.startswith(f"{FILE}:{line}: expected ")
    assert expected in caught.value.detail


@pytest.mark.parametrize(("value", "expected"), [("0", False), ("1", True), ("-1", True)])
def test_libvirts_sandbox_setting_is_honoured(tmp_path: Path, value: str, expected: bool) -> None:
    """0 is off, 1 and -1 are on; settings without a meaning here are passed over."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/qemu.conf").write_text(f"spice_tls = 1\nseccomp_sandbox = {value}\n")
    loaded = load(tmp_path)
    assert loaded.settings.qemu.sandbox is expected
    assert loaded.sources["qemu.sandbox"] == f"{tmp_path}/etc/qemu.conf:2"


def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    """By file and line."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/qemu.conf").write_text("memory_backing_dir = 3\n")
    with pytest.raises(SettingsError, match=r"qemu\.conf:1: qemu\.memory_backing_dir = 3 is not accepted"):
        load(tmp_path)


STRINGS = st.text(st.characters(exclude_characters='"\n\0', exclude_categories=["Cs"]), max_size=20)


@given(st.lists(STRINGS | st.integers() | st.lists(STRINGS)))
def test_what_is_written_is_read_back(values: list[Value]) -> None:
    """Any values, one a line."""
    lines = [f"name{n} = {json.dumps(value, ensure_ascii=False)}" for n, value in enumerate(values)]
    if any("\\" in line for line in lines):
        return
    expected = [(n + 1, f"name{n}", value) for n, value in enumerate(values)]
    assert list(parse("\n".join(lines), FILE)) == expected


@given(st.text())
def test_any_text_is_read_or_refused(content: str) -> None:
    """Never another exception, never an endless loop."""
    try:
        list(parse(content, FILE))
    except SettingsError as error:
        assert str(FILE) in str(error)
