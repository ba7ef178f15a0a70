"""Other processes at the gateway of a real root: who gets in, what they hear, what becomes of their calls."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from zmq.utils.monitor import recv_monitor_message

import embervirt as libvirt
from embervirt.drivers.secret.messages import Undefine
from embervirt.errors import ConfigUnsupported, InvalidArgument, SettingsError, SystemError_, libvirtError
from embervirt.runtime import Root
from embervirt.runtime.registry import acquire
from embervirt.supervisor.report import ChildFailed
from guest.domain import SECONDS, SECRET, crash, uri, wait_until, watching
from unit.actors.outside import FRAMES, Peer, answers

NOBODY = 65534
DOCUMENT = Path(__file__).parents[3] / "docs/gateway.md"
UUID = "00000000-0000-0000-0000-000000000001"
IPC = {"gateway.ipc": True, "gateway.allow": ["secret.*", "qemu.Undefine", "event_log.*"]}
QUICK = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}
TCP = IPC | {"gateway.ipc": False, "gateway.tcp": "tcp://127.0.0.1:*"}
Keys = tuple[bytes, bytes]


@contextmanager
def opened(root: Path, overrides: dict[str, Any]) -> Iterator[Root]:
    """A root with its secret driver."""
    lease = acquire(root, "secret", overrides)
    try:
        yield lease.root
    finally:
        lease.close()


@contextmanager
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """Of peers in this process."""
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield made
    finally:
        made.destroy(0)


@contextmanager
def connected(root: Path) -> Iterator[Peer]:
    """A peer at the socket of a root."""
    with context() as made:
        yield Peer(made, f"ipc://{root}/run/embervirt/bus.sock")


def undefine(peer: Peer, id_: int) -> None:
    """Something that is always answered: there is no such secret."""
    peer.send(id=id_, to="secret", ask="secret.Undefine", body={"uuid": UUID})


def until_up(root: Root) -> None:
    """Its gateway, for one that is down cannot crash."""
    with pytest.raises(InvalidArgument, match="gateway does not know"):
        root.call("gateway", Undefine(UUID))


# By the socket file.


def python(code: str, *arguments: str | Path) -> str:
    """What another process prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.stdout + done.stderr


def test_the_documented_client_gets_its_answer(root: Path) -> None:
    """It is another process that has pyzmq alone; the driver it asks is started for it."""
    (example,) = re.findall(r"```python\n(import .*?)```", DOCUMENT.read_text(), re.S)
    with opened(root, IPC):
        assert "'name': 'NoDomain', 'code': 42, 'domain': 10" in python(example, root)


KNOCK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print("connected")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.parametrize("umask", [0, 0o777])
def test_another_user_may_not_connect(root: Path, umask: int) -> None:
    """The directory keeps others out, and the socket itself does too, whatever the umask was."""
    old = os.umask(umask)
    try:
        lease = acquire(root, "secret", IPC)
    finally:
        os.umask(old)
    with closing(lease):
        path = root / "run/embervirt/bus.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert python(KNOCK, path, str(NOBODY)) == "Permission denied\n"
        for directory in (path.parent, *[each for each in path.parent.parents if "pytest-" in str(each)]):
            directory.chmod(directory.stat().st_mode | 0o011)
        assert python(KNOCK, path, str(NOBODY)) == "Permission denied\n"
        assert python(KNOCK, path, "0") == "connected\n"


def test_a_socket_left_by_a_dead_process_is_replaced(root: Path) -> None:
    """The root is ours, so nobody listens there; and the end of the root takes the socket away."""
    path = root / "run/embervirt/bus.sock"
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with opened(root, IPC), connected(root) as peer:
        undefine(peer, 1)
        assert peer.hear()["error"]["name"] == "NoSecret"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


def test_a_root_with_a_long_path_has_a_socket_too(root: Path) -> None:
    """A client reaches it by a descriptor of its directory, as documented."""
    long = root.parent / ("x" * 120)
    with opened(long, IPC), context() as made:
        directory = os.open(long / "run/embervirt", os.O_PATH)
        try:
            peer = Peer(made, f"ipc:///proc/self/fd/{directory}/bus.sock")
            undefine(peer, 1)
            assert peer.hear()["error"]["name"] == "NoSecret"
        finally:
            os.close(directory)


def test_without_the_setting_there_is_nothing(root: Path) -> None:
    """No socket, no actor, no key."""
    with opened(root, {}) as made:
        assert made.gateway is None
        assert not (root / "run/embervirt").exists() and not (root / "etc/gateway.key").exists()
        assert [each.id for each in made.tree().children] == ["events", "processes", "drivers", "guests"]


def test_events_of_the_library_are_heard_outside(root: Path) -> None:
    """What the program does is told to a peer, with the numbers of the root's journal."""
    with opened(root, IPC), connected(root) as peer:
        start = peer.subscribe()
        with closing(libvirt.open(uri(root, "secret"))) as connection:
            connection.secretDefineXML(SECRET).undefine()
        told = [peer.hear()["event"] for _ in range(2)]
        assert [each["seq"] for each in told] == [start + 1, start + 2]
        assert [each["body"]["event"] for each in told] == [0, 1]


def test_what_is_set_in_the_roots_file_holds(root: Path) -> None:
    """As a user writes it."""
    (root / "etc").mkdir(parents=True)
    (root / "etc/embervirt.toml").write_text('[gateway]\nipc = true\nallow = ["secret.Define"]\n')
    with opened(root, {}), connected(root) as peer:
        undefine(peer, 1)
        assert peer.hear()["error"]["name"] == "AccessDenied"


@pytest.mark.parametrize("name", ["SetValue", "GetValue", "FindValue", "Rewrap"])
def test_no_secret_is_asked_for_from_outside(root: Path, name: str) -> None:
    """Nor set: whatever is allowed."""
    with opened(root, IPC | {"gateway.allow": ["*"]}), connected(root) as peer:
        assert peer.error(to="secret", ask=f"secret.{name}", body={"uuid": UUID})[0] == "NotSupported"


# Deaths.


def test_every_call_settles_however_often_the_gateway_dies(root: Path) -> None:
    """Ten deaths under a client that always has twenty calls under way; and the rest of the root stays up."""
    with opened(root, IPC | QUICK) as made, connected(root) as peer:
        peer.subscribe()
        under_way: set[int] = set()
        failures = 0
        for death in range(10):
            until_up(made)
            for n in range(20):
                under_way.add(20 * death + n)
                undefine(peer, 20 * death + n)
            made.crash("outside/gateway")
            while len(under_way) > 5 or failures <= death:
                told = peer.hear()
                failures += told.get("event", {}).get("body", {}).get("child") == "gateway"
                if "event" not in told:
                    under_way.remove(told["id"])
                    assert told["error"]["name"] in {"NoSecret", "NotStarted", "OutcomeUnknown"}
        while under_way:
            under_way.discard(peer.hear()["id"])
        assert made.bus.routes.in_flight("secret") == 0
        states = {each.id: (each.state, each.generation) for each in made.tree().children}
        assert {state for state, _ in states.values()} == {"up"} and states["drivers"] == ("up", 1)


def test_a_gateway_that_dies_too_often_ends_nobody_else(root: Path) -> None:
    """It is quarantined, under a budget of its own."""
    few = {"supervision.driver_intensity": 2}
    with opened(root, IPC | QUICK | few) as made:
        for _ in range(3):
            until_up(made)
            crash(made, "outside/gateway")
        wait_until(lambda: made.tree().children[-1].children[0].state == "quarantined")
        undefined = pytest.raises(libvirtError, match="no secret with matching uuid")
        with closing(libvirt.open(uri(root, "secret"))) as connection, undefined:
            connection.secretLookupByUUIDString(UUID)


def test_any_frame_of_another_process_is_answered(root: Path) -> None:
    """Whatever is in it; no actor of the root dies of it."""
    with opened(root, IPC | {"gateway.allow": ["*"]}) as made, connected(root) as peer:

        @settings(max_examples=150)
        @given(frames=FRAMES)
        def fuzz(frames: list[bytes]) -> None:
            for frame in frames:
                peer.socket.send(frame)
            assert len(answers(peer, len(frames))) == len(frames)

        fuzz()
        assert [each.restarts for each in made.tree().children] == [0] * 5


# By TCP.


@pytest.fixture(scope="module")
def keys() -> Keys:
    """Of a client, public and secret."""
    return zmq.curve_keypair()


def let_in(root: Path, *public: bytes) -> None:
    """Write the file of those who may connect."""
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/gateway.clients").write_bytes(b"# clients\n\n" + b"\n".join(public) + b"\n")


def attempt(root: Root, keys: Keys | None, server: bytes | None = None) -> str:
    """How a client with these keys fares: the answer's error, or how its handshake failed."""
    assert root.gateway is not None
    known = (root.paths.path / "etc/gateway.key.pub").read_bytes().strip()
    with context() as made:
        peer = Peer(made)
        if keys is not None:
            peer.socket.curve_publickey, peer.socket.curve_secretkey = keys
            peer.socket.curve_serverkey = server or known
        failed = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        monitor = peer.socket.get_monitor_socket(failed | zmq.EVENT_DISCONNECTED)
        peer.socket.connect(root.gateway.endpoint)
        undefine(peer, 1)
        poller = zmq.Poller()
        poller.register(peer.socket, zmq.POLLIN)
        poller.register(monitor, zmq.POLLIN)
        ready = dict(poller.poll(int(SECONDS * 1000)))
        if peer.socket in ready:
            return str(peer.hear()["error"]["name"])
        assert monitor in ready
        event = recv_monitor_message(monitor)["event"]
        return "refused" if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH else "hung up"


def test_a_client_with_a_known_key_is_let_in(root: Path, keys: Keys) -> None:
    """It needs the server's public key, which lies beside the secret one."""
    let_in(root, zmq.curve_keypair()[0], keys[0])
    with opened(root, TCP) as made:
        assert attempt(made, keys) == "NoSecret"
        assert stat.S_IMODE((root / "etc/gateway.key").stat().st_mode) == 0o600
    with opened(root, TCP) as made:
        assert attempt(made, keys) == "NoSecret"


def test_no_other_client_is(root: Path, keys: Keys) -> None:
    """With an unknown key, without any, or with the key of another server."""
    let_in(root, keys[0])
    with opened(root, TCP) as made:
        assert attempt(made, zmq.curve_keypair()) == "refused"
        assert attempt(made, None) == "hung up"
        assert attempt(made, keys, server=zmq.curve_keypair()[0]) == "hung up"
        assert attempt(made, keys) == "NoSecret"


def test_the_file_of_clients_is_read_at_each_connection(root: Path, keys: Keys) -> None:
    """None lets nobody in, nor does one that is spoilt; a key that is added may connect at once."""
    with opened(root, TCP) as made:
        assert attempt(made, keys) == "refused"
        let_in(root, keys[0])
        assert attempt(made, keys) == "NoSecret"
        let_in(root, keys[0], b"spoilt")
        assert attempt(made, keys) == "refused"


def test_who_connects_while_there_is_no_gateway_is_let_in_by_the_next(root: Path, keys: Keys) -> None:
    """The question about its key waits."""
    let_in(root, keys[0])
    with opened(root, TCP) as made, watching(made) as events:
        for deaths in range(1, 4):
            until_up(made)
            made.crash("outside/gateway")
            assert attempt(made, keys) in {"NoSecret", "NotStarted"}  # by the next, or by this one
            events.wait(lambda event: isinstance(event, ChildFailed), count=deaths)


# What is refused when the root is opened.


def spoil(path: Path, content: str, mode: int = 0o600) -> None:
    """A file of keys that is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


def refused(root: Path, overrides: dict[str, Any], error: type[libvirtError] = ConfigUnsupported) -> str:
    """What ``open`` says."""
    with pytest.raises(error) as caught:
        acquire(root, "secret", overrides)
    return caught.value.detail


@pytest.mark.parametrize(
    ("name", "content", "mode", "text"),
    [
        ("key", "", 0o600, "gateway.key' has 0 keys: expected one"),
        ("key", "a" * 40 + "\n" + "b" * 40, 0o600, "gateway.key' has 2 keys: expected one"),
        ("key", "a" * 40, 0o640, "gateway.key' has mode 0640: expected 0600"),
        ("key", "a" * 41, 0o600, "gateway.key:1: expected a CURVE key, 40 characters of Z85"),
        ("clients", "# one\n" + "%" * 40, 0o600, "gateway.clients:2: expected a CURVE key"),
        ("clients", "~" * 40, 0o600, "gateway.clients:1: expected a CURVE key"),
        ("clients", "é" * 40, 0o600, "gateway.clients:1: expected a CURVE key"),
    ],
)
def test_files_of_keys_that_are_none_are_refused(
    root: Path, name: str, content: str, mode: int, text: str
) -> None:
    """By name and line, without the line: it may be a secret key."""
    spoil(root / f"etc/gateway.{name}", content, mode)
    detail = refused(root, TCP)
    assert text in detail and "aaaa" not in detail


def test_a_port_that_is_taken_is_named(root: Path) -> None:
    """As the setting, and nothing is left of the root."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        tcp = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        detail = refused(root, IPC | {"gateway.tcp": tcp}, SystemError_)
    assert detail == f"gateway.tcp = '{tcp}': cannot listen there: Address already in use"
    assert not root.exists()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("gateway.tcp", "ipc:///x", "expected tcp://ADDRESS:PORT, or nothing"),
        ("gateway.allow", "qemu.*", 'expected a list of requests such as ["qemu.Suspend", "secret.*"]'),
        ("gateway.allow", [""], "expected a list of requests"),
        ("gateway.max_message", 10, "expected bytes, 1024 to 16777216"),
        ("gateway.client_keys_file", "clients", "expected an absolute path"),
    ],
)
def test_settings_that_are_none_are_refused(root: Path, key: str, value: object, text: str) -> None:
    """With what is accepted."""
    assert text in refused(root, {key: value}, SettingsError)


def test_a_list_of_the_environment_has_commas(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or blanks."""
    monkeypatch.setenv("EMBERVIRT_GATEWAY_ALLOW", "qemu.Suspend, secret.*")
    with opened(root, {}) as made:
        assert made.settings.gateway.allow == ("qemu.Suspend", "secret.*")
