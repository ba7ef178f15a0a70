"""Commands about secrets, one process each."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from integration.cli.harness import Cli

UUID = "8c1d2f4e-0000-4000-8000-000000000001"
SECRET = f"""<secret{{}}><uuid>{UUID}</uuid>
<usage type='volume'><volume>/disk.img</volume></usage></secret>"""
VALUE = b"\x00top\xffsecret\n"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line with a root that has one secret, without a value."""
    made = Cli(tmp_path, own_process=False)
    assert made("secret-define", "-", stdin=SECRET.format("")) == f"Secret {UUID} created\n"
    return made


def test_a_secret_is_listed_and_described(cli: Cli) -> None:
    """UUID and usage, in text, JSON and XML."""
    assert cli("secret-list").splitlines()[1].split() == [UUID, "volume", "/disk.img"]
    assert cli.json("secret-list") == [{"uuid": UUID, "usage_type": "volume", "usage_id": "/disk.img"}]
    assert cli.json("secret-list", "--private") == []
    assert len(cli.json("secret-list", "--no-private", "--no-ephemeral")) == 1
    assert f"<uuid>{UUID}</uuid>" in cli("secret-dumpxml", UUID)


def test_a_value_from_a_file_comes_back(cli: Cli) -> None:
    """Any bytes: the file as it is with --plain, else its base64; standard input works as a file."""
    plain, text = cli.folder / "plain", base64.b64encode(VALUE).decode()
    plain.write_bytes(VALUE)
    assert cli("secret-set-value", UUID, "--plain", "--file", plain) == "Secret value set\n"
    assert cli("secret-get-value", UUID) == f"{text}\n"
    cli("secret-set-value", UUID, "--file", "-", stdin="b3RoZXI=\n")
    assert cli("secret-get-value", UUID, "--plain") == "other"
    assert cli.json("secret-get-value", UUID) == {"uuid": UUID, "value": "b3RoZXI="}


def test_a_value_as_argument_is_warned_of(cli: Cli) -> None:
    """It is set, and the user is told that others could see it."""
    done = cli.try_("secret-set-value", UUID, "b3RoZXI=")
    assert done.returncode == 0
    assert done.stderr == "warning: a value given as an argument is visible in the list of processes\n"
    assert cli("secret-get-value", UUID) == "b3RoZXI=\n"


def test_a_private_secret_keeps_its_value(cli: Cli) -> None:
    """It can be set and is not given back."""
    cli("secret-define", "-", stdin=SECRET.format(" private='yes'"))
    cli("secret-set-value", UUID, "--file", "-", stdin="b3RoZXI=")
    done = cli.try_("secret-get-value", UUID)
    assert (done.returncode, done.stdout) == (1, "")
    assert "private" in done.stderr


def test_an_undefined_secret_is_gone(cli: Cli) -> None:
    """With its value."""
    cli("secret-set-value", UUID, "--file", "-", stdin="b3RoZXI=")
    assert cli("secret-undefine", UUID) == f"Secret {UUID} deleted\n"
    assert cli.json("secret-list") == []
    assert cli.try_("secret-get-value", UUID).stderr.startswith("error: Secret not found: ")


def test_values_can_be_protected_by_another_key(cli: Cli) -> None:
    """After ``secret-rewrap`` only a root whose setting names the new key file reads them."""
    cli("secret-set-value", UUID, "--file", "-", stdin="b3RoZXI=")
    key = cli.folder / "new.key"
    assert str(key) in cli("secret-rewrap", "--key-file", key)
    assert cli.try_("secret-get-value", UUID).returncode == 1
    cli.environment["EMBERVIRT_SECRET_KEY_FILE"] = str(key)
    assert cli("secret-get-value", UUID) == "b3RoZXI=\n"
    assert key.stat().st_mode & 0o777 == 0o600
