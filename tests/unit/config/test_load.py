"""Settings from all their sources."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.config.check import accepted, types
from embervirt.config.load import load, value_of
from embervirt.config.sources import DEFAULTS
from embervirt.errors import SettingsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an etc directory."""
    (tmp_path / "etc").mkdir()
    return tmp_path


def refusal(root: Path | None = None, **sources: Mapping[str, object]) -> str:
    """What ``load`` says when it refuses."""
    with pytest.raises(SettingsError) as caught:
        load(root, **sources)  # type: ignore[arg-type]
    assert (caught.value.get_error_code(), caught.value.get_error_domain()) == (67, 9)
    return caught.value.detail


def test_defaults_are_what_the_documented_file_says() -> None:
    """Every setting is named in defaults.toml, set or commented out, and comes from there."""
    loaded = load()
    text = DEFAULTS.read_text()
    for key in types():
        name = key.partition(".")[2]
        assert f"\n{name} = " in text or f"\n# {name} = " in text, key
    assert loaded.settings.calls.deadline == 30.0
    assert loaded.settings.qemu.emulator is None
    assert set(loaded.sources) == set(types())
    assert set(loaded.sources.values()) == {"default"}


def test_every_setting_can_say_what_it_accepts() -> None:
    """For its error message."""
    assert all(accepted(type_) for type_ in types().values())
    assert accepted(types()["log.level"]) == "debug or info or warning or error"


def test_each_source_overrides_the_one_before(root: Path) -> None:
    """Defaults, qemu.conf, embervirt.toml, environment, arguments; and the place of each is known."""
    layers: list[tuple[str, str]] = []

    def step(environ: dict[str, str], overrides: dict[str, object]) -> None:
        loaded = load(root, environ, overrides)
        layers.append(
            (str(loaded.settings.qemu.memory_backing_dir), loaded.sources["qemu.memory_backing_dir"])
        )

    step({}, {})
    (root / "etc/qemu.conf").write_text('# libvirt\nsecurity_driver = "none"\nmemory_backing_dir = "/one"\n')
    step({}, {})
    (root / "etc/embervirt.toml").write_text('[qemu]\n# here\nmemory_backing_dir = "/two"\n')
    step({}, {})
    step({"EMBERVIRT_QEMU_MEMORY_BACKING_DIR": "/three"}, {})
    step({"EMBERVIRT_QEMU_MEMORY_BACKING_DIR": "/three"}, {"qemu.memory_backing_dir": "/four"})
    assert layers == [
        ("None", "default"),
        ("/one", f"{root}/etc/qemu.conf:3"),
        ("/two", f"{root}/etc/embervirt.toml:3"),
        ("/three", "variable EMBERVIRT_QEMU_MEMORY_BACKING_DIR"),
        ("/four", "argument qemu.memory_backing_dir"),
    ]


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (
            "[calls]\n\ndeadlin = 1\n",
            ":3",
            "there is no setting 'calls.deadlin'; did you mean calls.deadline",
        ),
        ("[call]\nx = 1\n", ":2", "there is no setting 'call.x'; "),
        ("[nothing]\nlike = 1\n", ":2", "the sections are calls, supervision"),
        ("[calls]\nzzzz = 1\n", ":2", "[calls] has deadline, in_flight, mailbox"),
        ("deadline = 1\n", ":1", "there is no setting 'deadline'"),
        ("[calls]\ndeadline = 'soon'\n", ":2", "calls.deadline = 'soon' is not accepted: expected seconds"),
        ("[calls]\ndeadline = 0\n", ":2", "expected seconds, more than 0"),
        ("[calls]\ndeadline = nan\n", ":2", "expected seconds"),
        ("[calls]\nmailbox = 1.5\n", ":2", "expected a whole number from 1 to 1000000"),
        ("[qemu]\nconsole_log = 1\n", ":2", "expected true or false"),
        ("[qemu]\nemulator = 'qemu'\n", ":2", "expected an absolute path"),
        ("[log]\n'level' = 'loud'\n", ":2", "expected debug or info or warning or error"),
        ("#\ncalls = { deadline = 'x' }\n", ":2", "calls.deadline = 'x'"),
        ("#\ncalls.deadline = 'x'\n", ":2", "calls.deadline = 'x'"),
        ("[supervision]\nbackoff_cap = 0.01\n", ":2", "at least supervision.backoff_initial = 0.1"),
        ("[calls\n", "", "at line 1"),
        ("[calls]\ndeadline = 1\ndeadline = 2\n", "", "at line 3"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_accepted(root: Path, content: str, where: str, what: str) -> None:
    """File and line, what was wrong, and what would do."""
    (root / "etc/embervirt.toml").write_text(content)
    said = refusal(root)
    assert said.startswith(f"{root}/etc/embervirt.toml{where}: ")
    assert what in said


def test_a_wrong_value_is_refused_even_where_a_later_source_replaces_it(root: Path) -> None:
    """A broken file does not hide behind an argument."""
    (root / "etc/embervirt.toml").write_text("[calls]\ndeadline = -1\n")
    assert "embervirt.toml:2" in refusal(root, overrides={"calls.deadline": 5})


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("EMBERVIRT_CALLS_DEADLINE", "5", "calls.deadline", 5.0),
        ("EMBERVIRT_CALLS_IN_FLIGHT", "7", "calls.in_flight", 7),
        ("EMBERVIRT_QEMU_CONSOLE_LOG", "false", "qemu.console_log", False),
        ("EMBERVIRT_QEMU_SANDBOX", "1", "qemu.sandbox", True),
        ("EMBERVIRT_SECRET_KEY_FILE", "/k", "secret.key_file", "/k"),
    ],
)
def test_a_variable_sets_what_it_names(variable: str, value: str, key: str, expected: object) -> None:
    """Text is read as the setting's own type."""
    loaded = load(None, {variable: value, "PATH": "/bin"})
    assert value_of(loaded.settings, key) == expected
    assert loaded.sources[key] == f"variable {variable}"


def test_a_wrong_variable_is_named() -> None:
    """Value and name; the command line's own variable is none of the settings."""
    said = refusal(environ={"EMBERVIRT_CALLS_DEADLINE": "soon"})
    assert said.startswith("variable EMBERVIRT_CALLS_DEADLINE: calls.deadline = 'soon' is not accepted")
    said = refusal(environ={"EMBERVIRT_CALL_DEADLINE": "5"})
    assert "variable EMBERVIRT_CALL_DEADLINE" in said
    assert "did you mean calls.deadline" in said
    assert load(None, {"EMBERVIRT_ROOT": "/r"}).settings == load().settings


def test_a_wrong_argument_is_named() -> None:
    """As the caller wrote it."""
    assert refusal(overrides={"calls.deadlne": 1}).startswith("argument calls.deadlne: there is no setting")


def test_files_that_are_no_text_files_are_refused_in_bounded_time(root: Path) -> None:
    """A FIFO, a directory, a huge file and bytes that are no UTF-8, each by name."""
    file = root / "etc/embervirt.toml"
    os.mkfifo(file)
    assert "expected a plain file" in refusal(root)
    file.unlink()
    file.mkdir()
    assert "expected a plain file" in refusal(root)
    file.rmdir()
    file.write_bytes(b"#" * (1 << 21))
    assert "at most 1048576 bytes" in refusal(root)
    file.write_bytes(b"# \xff")
    assert "not UTF-8 at byte 2" in refusal(root)


def test_a_root_without_files_has_the_defaults(tmp_path: Path) -> None:
    """Nothing is made there either."""
    assert load(tmp_path / "none").settings == load().settings
    assert not (tmp_path / "none").exists()


@given(
    st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.integers() | st.floats() | st.text())
)
def test_any_arguments_give_settings_or_a_settings_error(overrides: dict[str, object]) -> None:
    """Never another exception."""
    try:
        load(None, {}, overrides)
    except SettingsError as error:
        assert "argument" in str(error)
    else:
        assert not overrides
