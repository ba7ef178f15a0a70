"""The command line itself: what it refuses, what it needs, what it does without a root."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from embervirt.cli import main
from embervirt.cli.secrets import decoded
from embervirt.cli.session import Refused


@pytest.fixture(autouse=True)
def no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tester's own environment says does not count."""
    monkeypatch.delenv("EMBERVIRT_ROOT", raising=False)


def embervirt(*words: object, stdin: str | bytes | None = None) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


VIRSH = [
    "attach-device", "autostart", "capabilities", "console", "create", "define", "destroy", "detach-device",
    "domcapabilities", "domid", "domif-getlink", "domif-setlink", "domifaddr", "domiflist", "domifstat",
    "domiftune", "dominfo", "domname", "domrename", "domstate", "domstats", "domuuid",
    "domxml-to-native", "dumpxml", "list", "reboot", "reset", "resume", "secret-define", "secret-dumpxml",
    "secret-get-value", "secret-list", "secret-set-value", "secret-undefine", "shutdown", "start", "suspend",
    "undefine", "update-device",
    "find-storage-pool-sources", "find-storage-pool-sources-as", "pool-capabilities",
    "pool-autostart", "pool-build", "pool-create", "pool-create-as", "pool-define", "pool-define-as",
    "pool-delete", "pool-destroy", "pool-dumpxml", "pool-edit", "pool-event", "pool-info",
    "pool-list", "pool-name", "pool-refresh",
    "pool-start", "pool-undefine", "pool-uuid", "vol-clone", "vol-create", "vol-create-as", "vol-create-from",
    "vol-delete", "vol-download", "vol-dumpxml", "vol-info", "vol-key", "vol-list", "vol-name", "vol-path",
    "vol-pool", "vol-resize", "vol-upload", "vol-wipe",
    "net-autostart", "net-create", "net-define", "net-destroy", "net-dhcp-leases", "net-dumpxml", "net-edit",
    "net-event", "net-info", "net-list", "net-name", "net-port-create", "net-port-delete",
    "net-port-dumpxml", "net-port-list", "net-start", "net-undefine", "net-update", "net-uuid",
    "nwfilter-define", "nwfilter-dumpxml", "nwfilter-edit", "nwfilter-list", "nwfilter-undefine",
]  # fmt: skip
OURS = ["adopt", "config", "end", "events", "operations", "run", "secret-rewrap", "tree"]


@pytest.mark.parametrize("command", [*VIRSH, *OURS])
def test_every_command_explains_itself(command: str) -> None:
    """Virsh's names are there and ours, each with help, an explanation and --json."""
    result = embervirt(command, "--help")
    assert result.exit_code == 0
    assert f"{command} [OPTIONS]" in result.output
    assert "--json" in result.output
    assert main.commands[command].help


def test_there_are_no_other_commands() -> None:
    """What the help lists is what is tested here."""
    assert sorted(main.commands) == sorted(VIRSH + OURS)


def test_help_imports_nothing_heavy() -> None:
    """The help of the program and of each command needs click, and none of what the work needs."""
    heavy = [
        "lxml",
        "zmq",
        "rich",
        "pykka",
        "msgspec",
        "structlog",
        "cryptography",
        "qemu",
        "psutil",
        "asyncio",
    ]
    code = f"""
import sys
from embervirt.cli import main
for words in ([], *([name] for name in main.commands)):
    try:
        main([*words, "--help"])
    except SystemExit:
        pass
sys.exit(", ".join(name for name in {heavy!r} if name in sys.modules) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_the_packages() -> None:
    """``--version`` answers the version in pyproject.toml."""
    result = embervirt("--version")
    assert result.exit_code == 0
    assert result.output.split()[1] == "0.1.0"


ONE_SOURCE = "give exactly one of --file FILE, --interactive and BASE64"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list"], "no root: give --root DIR"),
        (["unknown"], "No such command 'unknown'"),
        (["start"], "Missing argument 'DOM'"),
        (["events", "--since", "-1"], "'--since'"),
        (["secret-set-value", "u"], ONE_SOURCE),
        (["secret-set-value", "u", "AAAA", "--interactive"], ONE_SOURCE),
        (["secret-set-value", "u", "AAAA", "--plain"], "--plain goes with --file FILE"),
        (["define", "/does/not/exist.xml"], "No such file"),
        (["run", "-", "--secret", "only-one"], "expected a file of XML, a comma, and a file with the value"),
        (["run", "-", "--secret", "/does/not/exist,/neither"], "'/does/not/exist,/neither': "),
    ],
)
def test_a_wrong_command_line_is_status_2(words: list[str], says: str) -> None:
    """The usage and what is wrong are told, and nothing is done."""
    result = embervirt(*words, stdin="<domain/>")
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert says in result.stderr


def test_a_missing_root_says_how_to_give_one() -> None:
    """Both ways are named."""
    result = embervirt("list")
    assert "--root DIR" in result.output
    assert "EMBERVIRT_ROOT" in result.output


@pytest.mark.parametrize("words", [["list"], ["start", "demo"], ["tree"], ["events"], ["secret-list"]])
def test_a_root_that_is_not_there_is_not_made_by_looking(tmp_path: Path, words: list[str]) -> None:
    """A mistyped path is an error of one line and stays away."""
    root = tmp_path / "typo"
    result = embervirt("--root", root, *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: root {root} does not exist")
    assert result.stderr.count("\n") == 1
    assert not root.exists()


def test_settings_are_shown_with_their_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``config`` names file and line, variable, or default, and opens no root."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/embervirt.toml").write_text("[calls]\ndeadline = 7.5\n")
    monkeypatch.setenv("EMBERVIRT_QEMU_SANDBOX", "false")
    result = embervirt("--root", tmp_path, "config")
    rows = {row.split()[0]: row.split(maxsplit=2)[1:] for row in result.output.splitlines()}
    assert result.exit_code == 0
    assert rows["calls.deadline"] == ["7.5", f"{tmp_path}/etc/embervirt.toml:2"]
    assert rows["qemu.sandbox"] == ["false", "variable EMBERVIRT_QEMU_SANDBOX"]
    assert rows["calls.mailbox"] == ["500", "default"]
    assert rows["qemu.emulator"] == ["unset", "default"]
    assert [path.name for path in tmp_path.iterdir()] == ["etc"]


@pytest.mark.parametrize("words", [["--json", "config"], ["config", "--json"]])
def test_json_may_stand_before_or_after_the_command(words: list[str]) -> None:
    """Both give the same document."""
    document = json.loads(embervirt(*words).stdout)
    assert {"setting": "calls.mailbox", "value": 500, "source": "default"} in document


def test_a_bad_setting_is_an_error_of_one_line(tmp_path: Path) -> None:
    """File, line and what is accepted, no traceback."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/embervirt.toml").write_text("[calls]\ndeadline = -1\n")
    result = embervirt("--root", tmp_path, "config")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: unsupported configuration: ")
    assert "embervirt.toml:2" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Before a root is made for it."""
    root = tmp_path / "root"
    file = tmp_path / "latin.xml"
    file.write_bytes(b"<domain>\xff</domain>")
    result = embervirt("--root", root, "define", file)
    assert (result.exit_code, result.stderr) == (1, f"error: {file}: not UTF-8 at byte 8\n")
    assert not root.exists()


def test_an_error_of_the_system_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory for the throw-away root that is not there is named, without a traceback."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    result = embervirt("run", "-", stdin="<domain/>")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path}/gone/embervirt-run-")
    assert result.stderr.endswith(": No such file or directory\n")


@pytest.mark.parametrize(("text", "value"), [(b"AAEC", b"\0\1\2"), (b"AA\nEC\n", b"\0\1\2"), (b"", b"")])
def test_base64_may_have_line_ends(text: bytes, value: bytes) -> None:
    """As the program ``base64`` writes it."""
    assert decoded(text, "f") == value


@pytest.mark.parametrize("text", [b"AAE", b"s3cr3t!!", b"AAEC!"])
def test_what_is_not_base64_is_refused_without_showing_it(text: bytes) -> None:
    """The message names the file and the way out, not the value."""
    with pytest.raises(Refused) as refused:
        decoded(text, "value.txt")
    assert refused.value.message == "value.txt: not base64; --plain takes a file as it is"
    assert isinstance(refused.value, click.ClickException)
