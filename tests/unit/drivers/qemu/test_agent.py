"""Conversations with a guest's agent that behaves, lies, or says nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embervirt.drivers.qemu.backend import agent
from embervirt.drivers.qemu.backend.monitor import MonitorLoop
from embervirt.drivers.qemu.errors import AgentUnresponsive

Say = Callable[[dict[str, object]], bytes]
PING = b'{"execute": "guest-ping"}'


@pytest.fixture
def loop() -> Iterator[MonitorLoop]:
    """The thread that carries conversations."""
    with MonitorLoop() as made:
        yield made


PATIENCE = 60.0
"""Seconds for what should take none."""


class Guest:
    """Listens at ``path`` and answers each line as it is told to; ``heard`` has what it was asked."""

    def __init__(self, path: Path, say: Say) -> None:
        self.heard: list[dict[str, object]] = []
        self._say = say
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        with near, near.makefile("rwb", buffering=0) as file, contextlib.suppress(ConnectionError):
            while line := file.readline():
                request = json.loads(line.rpartition(b"\xff")[2])
                self.heard.append(request)
                file.write(self._say(request))

    def close(self) -> None:
        """Its client has hung up."""
        self._thread.join(PATIENCE)
        self._listener.close()


def synchronised(request: dict[str, object]) -> bytes:
    """What an agent answers to a sync, else to a ping."""
    if request["execute"] == "guest-sync-delimited":
        arguments = request["arguments"]
        assert isinstance(arguments, dict)
        return b"\xff" + json.dumps({"return": arguments["id"]}).encode() + b"\n"
    return b'{"return": {}}\n'


@pytest.mark.parametrize("before", [b"", b'{"return": 12}\n', b'rest of a rep"}\n', b"[]\n\xff\n"])
def test_a_command_is_answered_after_a_sync_whatever_was_left_over(
    loop: MonitorLoop, tmp_path: Path, before: bytes
) -> None:
    """Answers to nobody, halves of them, and noise are passed over."""

    def say(request: dict[str, object]) -> bytes:
        known = synchronised(request)
        return before + known if request["execute"] == "guest-sync-delimited" else known

    guest = Guest(tmp_path / "ga", say)
    assert loop.start(agent.converse, tmp_path / "ga", PING, PATIENCE).result(PATIENCE) == b'{"return": {}}'
    guest.close()
    assert [each["execute"] for each in guest.heard] == ["guest-sync-delimited", "guest-ping"]


def test_a_command_whose_answer_nobody_wants_is_only_sent(loop: MonitorLoop, tmp_path: Path) -> None:
    """With a patience of 0."""
    guest = Guest(tmp_path / "ga", synchronised)
    assert loop.start(agent.converse, tmp_path / "ga", PING, 0).result(PATIENCE) == b""
    guest.close()
    assert [each["execute"] for each in guest.heard][-1:] == ["guest-ping"]


SILENT = [
    (lambda request: b"", "didn't respond to synchronization within '0.1' seconds"),
    (lambda request: b'{"return": 1}\n', "didn't respond to synchronization within '0.1' seconds"),
    (
        lambda request: b"" if request["execute"] == "guest-ping" else synchronised(request),
        "didn't respond to command within '0.2' seconds",
    ),
    (lambda request: b"x" * 3000, "its reply is longer than"),
]


@pytest.mark.parametrize(("say", "text"), SILENT, ids=["sync", "wrong sync", "command", "endless"])
def test_an_agent_that_does_not_answer_is_given_up(
    loop: MonitorLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say, text: str
) -> None:
    """In bounded time and memory; the error has libvirt's code."""
    monkeypatch.setattr(agent, "SYNC", 0.1 if "synchronization" in text else PATIENCE)
    monkeypatch.setattr(agent, "LARGEST", 1000)
    guest = Guest(tmp_path / "ga", say)
    with pytest.raises(AgentUnresponsive, match=text) as failed:
        loop.start(agent.converse, tmp_path / "ga", PING, 0.2).result(PATIENCE)
    guest.close()
    assert failed.value.get_error_code() == 86


def test_a_channel_that_nobody_serves_says_so(loop: MonitorLoop, tmp_path: Path) -> None:
    """QEMU is gone, say."""
    with pytest.raises(AgentUnresponsive, match="cannot be reached: No such file"):
        loop.start(agent.converse, tmp_path / "ga", PING, 0.2).result(PATIENCE)
