"""A guest's agent behind its channel: a program that plays it, a fake QEMU that says when it is there."""

from __future__ import annotations

import contextlib
import gc
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import libvirt_qemu
from embervirt.drivers.qemu.actor.agent import CONNECTED
from embervirt.drivers.qemu.messages import AgentState
from embervirt.testing import FakeQemu, emits, guest_shuts_down
from guest.calls import began, code_of
from guest.domain import SECONDS, crash, small, uri, wait_until, watching

DEFAULT = libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT
BLOCK = libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK
AGENT = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
ANSWERS: dict[str, Any] = {
    "guest-ping": {"return": {}},
    "guest-get-time": {"return": 1_700_000_000_000_000_005},
    "guest-get-host-name": {"return": {"host-name": "ember"}},
    "guest-fsfreeze-freeze": {"return": 2},
    "guest-fsfreeze-thaw": {"return": 2},
    "guest-set-user-password": {"return": {}},
    "guest-nonesuch": {"error": {"class": "CommandNotFound", "desc": "no such command"}},
    "guest-suspend-ram": {"return": {}},
}


class Agent:
    """Answers as ``answers`` says, and not at all what that has as None; ``heard`` has what it was asked."""

    def __init__(self, path: Path) -> None:
        self.heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.answers = dict(ANSWERS)
        self._client = self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._client = self._listener.accept()[0]
                with near, near.makefile("rwb", buffering=0) as file, contextlib.suppress(ConnectionError):
                    for line in iter(file.readline, b""):
                        file.write(self._answer(json.loads(line.rpartition(b"\xff")[2])))

    def _answer(self, request: dict[str, Any]) -> bytes:
        name = request["execute"]
        if name == "guest-sync-delimited":
            return b"\xff" + json.dumps({"return": request["arguments"]["id"]}).encode() + b"\n"
        self.heard.put(request)
        answer = self.answers.get(name)
        return b"" if answer is None else json.dumps(answer).encode() + b"\n"

    def hang_up(self) -> None:
        """On who asks just now; the next one is served."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nobody is served any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self._thread.join(SECONDS)
        self._listener.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """At the path of the channel."""
    made = Agent(tmp_path / "agent.sock")
    yield made
    made.close()


@pytest.fixture
def fake(embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[libvirt.virConnect]:
    """A connection whose guests live in the fake QEMU."""
    with libvirt.open(uri(embervirt_root), settings={"qemu.emulator": str(fake_qemu.emulator)}) as made:
        yield made


@pytest.fixture
def domain(fake: libvirt.virConnect, agent: Agent, tmp_path: Path) -> Iterator[libvirt.virDomain]:
    """Runs, and its agent has not come yet."""
    channel = f"""<channel type='unix'><source mode='bind' path='{tmp_path}/agent.sock'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""
    made = fake.defineXML(small("a", devices=channel))
    made.create()
    yield made
    if made.isActive():
        made.destroy()


@pytest.fixture
def comes(fake_qemu: FakeQemu, domain: libvirt.virDomain) -> Callable[[bool], None]:
    """Lets the guest open the agent's port, or close it."""

    def come(is_open: bool) -> None:
        fake_qemu.now(emits("VSERPORT_CHANGE", {"id": "channel0", "open": is_open}))
        state = "connected" if is_open else "disconnected"
        wait_until(lambda: f"state='{state}'" in domain.XMLDesc())

    return come


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What ends only because nobody refers to it any more goes on."""
    gc.disable()
    yield
    gc.enable()


def test_that_an_agent_comes_and_goes_is_told(
    fake: libvirt.virConnect, domain: libvirt.virDomain, comes: Callable[[bool], None]
) -> None:
    """As AGENT_LIFECYCLE, also that it is not there when the guest starts; before it comes it is missed."""
    heard: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    fake.domainEventRegisterAny(None, 18, lambda *told: heard.put(told[2:]), "mine")
    with pytest.raises(libvirt.libvirtError, match="QEMU guest agent is not connected") as missed:
        domain.getTime()
    assert missed.value.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    comes(True)
    assert heard.get(timeout=SECONDS) == (1, 2, "mine")
    assert domain.getTime() == {"seconds": 1_700_000_000, "nseconds": 5}
    comes(False)
    assert heard.get(timeout=SECONDS) == (2, 2, "mine")
    domain.destroy()
    domain.create()
    assert heard.get(timeout=SECONDS) == (2, 1, "mine")


def test_commands_are_answered_one_by_one(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None]
) -> None:
    """The whole reply for a command of the caller's; what a call of libvirt's returns; refusals as errors."""
    comes(True)
    assert json.loads(libvirt_qemu.qemuAgentCommand(domain, '{"execute":"guest-ping"}', DEFAULT, 0)) == {
        "return": {}
    }
    assert domain.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT) == "ember"
    assert (domain.fsFreeze(), domain.fsThaw()) == (2, 2)
    with pytest.raises(libvirt.libvirtError, match="agent command 'guest-nonesuch': no such command") as no:
        libvirt_qemu.qemuAgentCommand(domain, '{"execute":"guest-nonesuch"}', DEFAULT, 0)
    assert no.value.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
    assert code_of(lambda: libvirt_qemu.qemuAgentCommand(domain, "ping", DEFAULT, 0)) == 8
    domain.suspend()
    assert code_of(domain.getTime) == libvirt.VIR_ERR_OPERATION_INVALID


def test_a_silent_agent_holds_nobody_up(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None]
) -> None:
    """Its caller has the time-out that it asked for; the guest does what it is told meanwhile."""
    comes(True)
    agent.answers["guest-ping"] = None

    def ping(timeout: int) -> str:
        return libvirt_qemu.qemuAgentCommand(domain, '{"execute":"guest-ping"}', timeout, 0)

    assert code_of(ping, 1) == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    assert ping(0) == ""
    failed: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    asking = threading.Thread(target=lambda: failed.put(code_of(ping, BLOCK)))
    asking.start()
    for _ in range(3):
        agent.heard.get(timeout=SECONDS)
    domain.suspend()
    domain.resume()
    assert failed.empty()
    agent.hang_up()
    assert failed.get(timeout=SECONDS) == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    asking.join()


@pytest.mark.usefixtures("patient")
def test_the_patience_with_an_agent_is_the_guests(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None], fake: libvirt.virConnect
) -> None:
    """Every handle has it, whichever set it, and a successor of its actor; the next run has its own."""
    comes(True)
    agent.answers["guest-get-time"] = None
    with pytest.raises(libvirt.libvirtError, match="'-3' is less than the minimum '-2'"):
        domain.agentSetResponseTimeout(-3)
    domain.agentSetResponseTimeout(0)
    other = fake.lookupByName("a")
    with watching(fake.root) as events:
        crash(fake.root, f"guests/{domain.ID()}-a")
        libvirt_qemu.qemuMonitorCommand(other, '{"execute":"query-status"}', 0)
        comes(True)
        events.wait(lambda event: isinstance(event, AgentState) and event.state == CONNECTED)
    with pytest.raises(libvirt.libvirtError, match="guest-get-time was not waited for") as gone:
        other.getTime()
    assert gone.value.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    other.agentSetResponseTimeout(1)
    assert code_of(domain.getTime) == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    domain.destroy()
    with pytest.raises(libvirt.libvirtError, match="domain is not running"):
        domain.agentSetResponseTimeout(1)
    domain.create()
    comes(True)
    agent.answers["guest-get-time"] = ANSWERS["guest-get-time"]
    assert domain.getTime() == {"seconds": 1_700_000_000, "nseconds": 5}


def test_a_command_that_its_actor_leaves_behind_does_not_keep_the_channel(
    domain: libvirt.virDomain,
    agent: Agent,
    comes: Callable[[bool], None],
    fake: libvirt.virConnect,
    without_collector: None,
) -> None:
    """It was to wait for ever; QEMU serves one client of a channel, and that is the successor's turn."""
    comes(True)
    agent.answers["guest-get-time"] = None
    command, blocks = '{"execute":"guest-get-time"}', libvirt_qemu.VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK
    asked = began(lambda: libvirt_qemu.qemuAgentCommand(domain, command, blocks, 0))
    assert agent.heard.get(timeout=SECONDS)["execute"] == "guest-get-time"
    crash(fake.root, f"guests/{domain.ID()}-a")
    assert isinstance(asked.exception(SECONDS), libvirt.libvirtError)
    libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-status"}', 0)
    comes(True)
    assert libvirt_qemu.qemuAgentCommand(domain, '{"execute":"guest-ping"}', DEFAULT, 0)


def test_a_password_reaches_the_agent(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None], fake: libvirt.virConnect
) -> None:
    """It is handed over beside the messages."""
    comes(True)
    assert domain.setUserPassword("root", "s3cret-word") == 0
    told = agent.heard.get(timeout=SECONDS)
    assert told["arguments"] == {"username": "root", "password": "czNjcmV0LXdvcmQ=", "crypted": False}


def test_the_agent_shuts_the_guest_down(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None], fake_qemu: FakeQemu
) -> None:
    """It does not answer when it obeys: the machine's own word is waited for."""
    comes(True)
    agent.answers["guest-shutdown"] = None
    over: queue.SimpleQueue[int] = queue.SimpleQueue()
    asking = threading.Thread(target=lambda: over.put(domain.shutdownFlags(AGENT)))
    asking.start()
    assert agent.heard.get(timeout=SECONDS)["arguments"] == {"mode": "powerdown"}
    assert over.empty() and "system_powerdown" not in fake_qemu.commands("a")
    fake_qemu.now(guest_shuts_down())
    assert over.get(timeout=SECONDS) == 0
    asking.join()
    wait_until(lambda: domain.isActive() == 0)
    assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]


def test_a_refusal_of_the_agent_leaves_the_button(
    domain: libvirt.virDomain, agent: Agent, comes: Callable[[bool], None], fake_qemu: FakeQemu
) -> None:
    """Unless the agent is insisted on; a reboot tells it so."""
    comes(True)
    agent.answers["guest-shutdown"] = {"error": {"class": "GenericError", "desc": "busy"}}
    with pytest.raises(libvirt.libvirtError, match="guest-shutdown': busy"):
        domain.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
    assert agent.heard.get(timeout=SECONDS)["arguments"] == {"mode": "reboot"}
    assert "system_powerdown" not in fake_qemu.commands("a")
    domain.reboot()
    assert fake_qemu.commands("a")[-1] == "system_powerdown"
