"""Commands about volumes that take long: a bar meanwhile, and Ctrl-C, which leaves everything as it was."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from guest.domain import wait_until
from integration.cli.harness import Cli

MIB = 1 << 20
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A process of its own for each command; an active pool with a volume of 128 MiB of data."""
    made = Cli(tmp_path)
    folder = tmp_path / "images"
    made("pool-define-as", "p", "dir", "--target", folder)
    made("pool-start", "p", "--build")
    made("vol-create-as", "p", "a", "128M", "--allocation", "0")
    with (folder / "a").open("r+b") as file:
        for _ in range(128):
            file.write(b"x" * MIB)
    return made


def files(cli: Cli) -> list[str]:
    """All that is in the pool's directory, hidden or not."""
    return sorted(each.name for each in (cli.folder / "images").iterdir())


def bar(cli: Cli, *words: object, says: bytes) -> None:
    """A command on a terminal shows what is done, then Ctrl-C ends it."""
    with cli.on_terminal(*words, root=True) as terminal:
        terminal.until(says)
        terminal.type(b"\x03")
        terminal.until(b"error: cancelled; nothing of it is left")
        assert terminal.end() == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("vol-wipe", "a", "p", "--algorithm", "pfitzner33"), b"vol-wipe a"),
        (("vol-upload", "a", "FIFO", "--pool", "p"), b"vol-upload a"),
        (("vol-download", "a", "FIFO", "--pool", "p"), b"vol-download a"),
    ],
)
def test_a_bar_is_shown_and_ctrl_c_cancels(cli: Cli, words: tuple[str, ...], says: bytes) -> None:
    """On a terminal: what is done of how much; then the pool has the same files, and the volume its size."""
    fifo = cli.folder / "fifo"
    os.mkfifo(fifo)
    other = os.open(fifo, os.O_RDWR)
    os.write(other, b"y" * 4096)
    try:
        bar(cli, *(str(fifo) if word == "FIFO" else word for word in words), says=says)
    finally:
        os.close(other)
    assert files(cli) == ["a"]
    assert cli.json("vol-info", "a", "p")["capacity"] == 128 * MIB
    if "wipe" not in words[0]:
        assert set((cli.folder / "images/a").read_bytes()) == {ord("x")}


def test_ctrl_c_in_a_pipeline_leaves_nothing_half_made(cli: Cli) -> None:
    """SIGINT to a conversion: no copy, no hidden file, the record says undone, and the next one goes."""
    with cli.running("vol-create-from", "p", large(cli), "a", root=True) as command:
        wait_until(lambda: len(files(cli)) == 2)  # something is being made
        command.send(signal.SIGINT)
        status, out, err = command.end()
    assert (status, out, err) == (1, "", "error: cancelled; nothing of it is left\n")
    assert files(cli) == ["a"]
    assert [row["name"] for row in cli.json("vol-list", "p")] == ["a"]
    cli("vol-create-from", "p", cli.file("ok.xml", "<volume><name>b</name></volume>"), "a")
    assert files(cli) == ["a", "b"]


def large(cli: Cli) -> Path:
    """XML of a volume of which the making takes some seconds: a key is derived slowly on purpose."""
    secret = cli.file("s.xml", "<secret><usage type='volume'><volume>k</volume></usage></secret>")
    cli("secret-define", secret)
    uuid = cli.json("secret-list")[0]["uuid"]
    cli("secret-set-value", uuid, "--plain", "--file", cli.file("key", "passphrase"))
    encryption = "<encryption format='luks'><secret type='passphrase' usage='k'/></encryption>"
    return cli.file("v.xml", f"<volume><name>b</name><target>{encryption}</target></volume>")
