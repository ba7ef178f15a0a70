"""The fake QEMU is to be believed: whatever is tested here, the real one and the fake one do alike."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from embervirt.testing import FakeQemu, guest_panics, guest_resets, guest_shuts_down
from guest.qmp import Client, Emulator, Message, emulators

REAL = Path("/usr/bin/qemu-system-x86_64")
OK: Message = {"return": {}}
Start = Callable[..., Emulator]


@pytest.fixture(params=["real", "fake"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two."""
    return str(request.param)


@pytest.fixture
def binary(kind: str, fake_qemu: FakeQemu) -> Path:
    """Its program."""
    return REAL if kind == "real" else fake_qemu.emulator


@pytest.fixture
def start(binary: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts one with more arguments."""
    with emulators(tmp_path) as make:
        yield partial(make, binary)


@pytest.fixture
def emulator(start: Start) -> Emulator:
    """One that stays when its guest ends."""
    return start("-no-shutdown")


@pytest.fixture
def client(emulator: Emulator) -> Client:
    """A negotiated client of it."""
    return emulator.client().negotiate()


def event(name: str, **data: Any) -> Message:
    """As it is heard."""
    return {"event": name, "data": data} if data else {"event": name}


def refusal(text: str, error_class: str = "GenericError") -> Message:
    """As it is heard."""
    return {"error": {"class": error_class, "desc": text}}


RESET = event("RESET", guest=False, reason="host-qmp-system-reset")
NEEDED = "Expecting capabilities negotiation with 'qmp_capabilities'"
COMPLETE = "Capabilities negotiation is already complete, command ignored"

# Connections.


def test_the_greeting(emulator: Emulator) -> None:
    """It has the version, which is a supported one, and the capabilities."""
    greeting = emulator.client().hear()
    assert greeting is not None
    assert greeting["QMP"].keys() == {"version", "capabilities"}
    assert greeting["QMP"]["version"].keys() == {"qemu", "package"}
    assert greeting["QMP"]["version"]["qemu"]["major"] >= 7


def test_nothing_is_served_before_the_negotiation(emulator: Emulator) -> None:
    """Nor negotiated twice."""
    client = emulator.client()
    assert client.hear()
    assert client.ask("query-status") == [refusal(NEEDED, "CommandNotFound")]
    assert client.ask("qmp_capabilities") == [OK]
    assert client.ask("qmp_capabilities") == [refusal(COMPLETE, "CommandNotFound")]
    assert client.value("query-status")["status"] == "prelaunch"


def test_one_client_is_served_at_a_time(emulator: Emulator, client: Client) -> None:
    """A second one connects, and hears nothing until the first is gone; what it said early is served then."""
    second = emulator.client()
    second.say({"execute": "qmp_capabilities", "id": 1})
    for command in ("cont", "query-status"):
        client.ask(command)
    assert second.is_silent()
    client.close()
    greeting = second.hear()
    assert greeting and "QMP" in greeting
    assert second.hear() == OK | {"id": 1}
    assert second.value("query-status")["status"] == "running"


def test_a_first_client_that_died_at_once_is_followed_by_the_next(emulator: Emulator) -> None:
    """As after a kill of who started it: QEMU waits for one client, and for no longer than that."""
    emulator.client().close()
    assert emulator.client().negotiate().value("query-status")["status"] == "prelaunch"


def test_a_client_that_comes_back_negotiates_anew(emulator: Emulator, client: Client) -> None:
    """The state is as it was left, and events that nobody heard are gone."""
    client.ask("cont")
    client.close()
    again = emulator.client()
    assert again.hear()
    assert again.ask("stop") == [refusal(NEEDED, "CommandNotFound")]
    again.ask("qmp_capabilities")
    assert again.ask("stop") == [event("STOP"), OK]


def test_ids_and_lines(client: Client) -> None:
    """A reply has the id of its request, of any kind, or none; several requests may share a line."""
    client.say({"execute": "query-name"})
    assert client.hear() == {"return": {"name": "a"}}
    client.say({"execute": "query-name", "id": {"a": [1]}})
    assert client.hear() == {"return": {"name": "a"}, "id": {"a": [1]}}
    client.say(b'{"execute": "query-name", "id": 1} {"execute": "stop", "id": 2}')
    assert client.hear() == {"return": {"name": "a"}, "id": 1}
    assert client.hear() == OK | {"id": 2}


# Commands.

LIVES: dict[str, list[tuple[str, list[Message], str]]] = {
    "stopped": [
        ("stop", [OK], "prelaunch"),
        ("system_reset", [RESET, OK], "prelaunch"),
        ("system_powerdown", [event("POWERDOWN"), OK], "prelaunch"),
    ],
    "running": [
        ("cont", [event("RESUME"), OK], "running"),
        ("cont", [OK], "running"),
        ("stop", [event("STOP"), OK], "paused"),
        ("stop", [OK], "paused"),
        ("cont", [event("RESUME"), OK], "running"),
        ("stop", [event("STOP"), OK], "paused"),
        ("system_reset", [RESET, OK], "prelaunch"),
        ("cont", [event("RESUME"), OK], "running"),
        ("system_reset", [RESET, OK], "running"),
    ],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_events_come_before_replies(client: Client, life: list[tuple[str, list[Message], str]]) -> None:
    """Each command has these events, this reply, and leaves this status."""
    for command, messages, status in life:
        assert client.ask(command) == messages
        # After a reset of a running machine its firmware may reset it once more.
        assert client.value("query-status") == {
            "status": status,
            "running": status == "running",
            "singlestep": False,
        }


REFUSED = {
    "unknown": ({"execute": "x"}, refusal("The command x has not been found", "CommandNotFound")),
    "argument": (
        {"execute": "stop", "arguments": {"foo": 1}},
        refusal("Parameter 'foo' is unexpected"),
    ),
    "no object": ([1], refusal("QMP input must be a JSON object")),
    "no command": ({"id": 3}, refusal("QMP input lacks member 'execute'") | {"id": 3}),
    "member": ({"execute": "stop", "foo": 1}, refusal("QMP input member 'foo' is unexpected")),
}


@pytest.mark.parametrize(("request_", "reply"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(client: Client, request_: object, reply: Message) -> None:
    """Class and words are QEMU's, and the session goes on."""
    client.say(request_)
    assert client.hear() == reply
    assert client.ask("stop") == [OK]


def test_what_is_no_json_is_refused(client: Client) -> None:
    """With an error that has no id, and the session goes on."""
    client.say(b"garbage\n")
    answer = client.hear()
    assert answer is not None and answer.keys() == {"error"}
    assert answer["error"]["class"] == "GenericError"
    assert client.ask("stop") == [OK]


# Devices.

PERIPHERAL = "/machine/peripheral"
BUS = ("-device", "qemu-xhci,id=usb", "-device", '{"driver":"usb-kbd","bus":"usb.0","id":"keys"}')


def test_a_device_comes_and_goes(start: Start) -> None:
    """Of USB, which no guest need give back: that it is gone is told before the reply, or after it."""
    client = start(*BUS).client().negotiate()
    assert client.ask("device_add", driver="usb-tablet", bus="usb.0", id="tab") == [OK]
    found = {each["name"]: each["type"] for each in client.value("qom-list", path=PERIPHERAL)}
    assert found == {
        "type": "string",
        "usb": "child<qemu-xhci>",
        "keys": "child<usb-kbd>",
        "tab": "child<usb-tablet>",
    }
    gone = event("DEVICE_DELETED", device="tab", path=f"{PERIPHERAL}/tab")
    heard = client.ask("device_del", id="tab")
    assert [*heard, *([client.hear()] if len(heard) == 1 else [])] in ([gone, OK], [OK, gone])
    assert "tab" not in {each["name"] for each in client.value("qom-list", path=PERIPHERAL)}


def test_what_cannot_be_done_with_devices(start: Start) -> None:
    """One that is there twice, one that is not there, a place that is none."""
    client = start(*BUS).client().negotiate()
    twice = client.ask("device_add", driver="usb-tablet", bus="usb.0", id="keys")
    assert twice == [refusal("Duplicate device ID 'keys'")]
    assert client.ask("device_del", id="tab") == [refusal("Device 'tab' not found", "DeviceNotFound")]
    nowhere = client.ask("qom-list", path="/nowhere")
    assert nowhere == [refusal("Device '/nowhere' not found", "DeviceNotFound")]


def test_what_a_device_stands_on_comes_and_goes(start: Start) -> None:
    """An object, a node, the host's side of a card."""
    client = start().client().negotiate()
    for add, drop, arguments in (
        ("object-add", "object-del", {"qom-type": "rng-builtin", "id": "a"}),
        ("blockdev-add", "blockdev-del", {"driver": "null-co", "node-name": "a"}),
        ("netdev_add", "netdev_del", {"type": "user", "id": "a"}),
    ):
        assert client.ask(add, **arguments) == [OK]
        name = "node-name" if "node-name" in arguments else "id"
        assert client.ask(drop, **{name: "a"}) == [OK]


# Ends.


def test_quit(emulator: Emulator, client: Client) -> None:
    """Event, reply, end of the connection, status 0, no socket left."""
    assert client.ask("quit") == [event("SHUTDOWN", guest=False, reason="host-qmp-quit"), OK]
    assert client.rest() == []
    assert emulator.status() == 0
    assert not emulator.path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("running", [False, True])
def test_signals_that_ask(emulator: Emulator, client: Client, number: int, running: bool) -> None:
    """They end it in order although it is to stay after its guest, stopped or running."""
    if running:
        client.ask("cont")
    emulator.signal(number)
    assert client.rest() == [event("SHUTDOWN", guest=False, reason="host-signal")]
    assert emulator.status() == 0
    assert not emulator.path.exists()


def test_sigkill(emulator: Emulator, client: Client) -> None:
    """The end of the connection is all that is heard; the socket's file stays."""
    emulator.signal(signal.SIGKILL)
    assert client.rest() == []
    assert emulator.status() == -signal.SIGKILL
    assert emulator.path.exists()


# What a guest does.

SHUT_DOWN = event("SHUTDOWN", guest=True, reason="guest-shutdown")
CODE = {
    "shuts down": b"\xba\x04\x06\xb8\x00\x20\xef",  # mov dx, 0x604; mov ax, 0x2000; out dx, ax
    "panics": b"\xba\x05\x05\xb0\x01\xee",  # mov dx, 0x505; mov al, 1; out dx, al
    "resets": b"\xb0\xfe\xe6\x64",  # mov al, 0xfe; out 0x64, al
}
"""Boot sectors that do it by ACPI, by the pvpanic device and by the keyboard controller."""

DEEDS = {"shuts down": guest_shuts_down(), "panics": guest_panics(), "resets": guest_resets()}
Doing = Callable[[str, tuple[str, ...]], tuple[Emulator, Client]]


@pytest.fixture
def doing(kind: str, start: Start, fake_qemu: FakeQemu, tmp_path: Path) -> Doing:
    """An emulator whose guest does the deed after ``cont``."""

    def make(deed: str, options: tuple[str, ...]) -> tuple[Emulator, Client]:
        image = tmp_path / "boot"
        image.write_bytes((CODE[deed] + b"\xf4\xeb\xfd").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
        drive = ("-device", "pvpanic", "-drive", f"file={image},format=raw,if=ide")
        emulator = start(*options, *drive)
        client = emulator.client().negotiate()
        assert client.ask("cont") == [event("RESUME"), OK]
        if kind == "fake":
            fake_qemu.now(DEEDS[deed])
        return emulator, client

    return make


def test_a_guest_shuts_down(doing: Doing) -> None:
    """The emulator stays, and wants a reset before it goes on."""
    _, client = doing("shuts down", ("-no-shutdown",))
    assert [client.hear(), client.hear()] == [SHUT_DOWN, event("STOP")]
    assert client.value("query-status")["status"] == "shutdown"
    assert client.ask("cont") == [refusal("Resetting the Virtual Machine is required")]
    assert client.ask("stop") == [OK]
    assert client.ask("system_reset") == [RESET, OK]
    assert client.value("query-status")["status"] == "prelaunch"
    assert client.ask("cont") == [event("RESUME"), OK]


def test_a_guest_panics(doing: Doing) -> None:
    """The emulator stays, and may go on."""
    _, client = doing("panics", ("-no-shutdown",))
    assert [client.hear(), client.hear()] == [event("GUEST_PANICKED", action="pause"), event("STOP")]
    assert client.value("query-status")["status"] == "guest-panicked"
    assert client.ask("cont") == [event("RESUME"), OK]


def test_a_guest_resets(doing: Doing) -> None:
    """It runs on."""
    _, client = doing("resets", ("-no-shutdown",))
    assert client.hear() == event("RESET", guest=True, reason="guest-reset")
    assert client.value("query-status")["running"] is True


@pytest.mark.parametrize(
    ("deed", "events"),
    [
        ("shuts down", [SHUT_DOWN]),
        (
            "panics",
            [
                event("GUEST_PANICKED", action="poweroff"),
                event("SHUTDOWN", guest=True, reason="guest-panic"),
            ],
        ),
    ],
)
def test_without_no_shutdown_the_end_of_the_guest_is_the_end(
    doing: Doing, deed: str, events: list[Message]
) -> None:
    """Events, end of the connection, status 0."""
    emulator, client = doing(deed, ())
    assert client.rest() == events
    assert emulator.status() == 0


# What it says of itself.

QUESTIONS = [
    *("query-version", "query-machines", "query-target", "query-commands", "query-kvm", "query-status"),
    *("query-name", "query-uuid", "query-cpus-fast", "query-chardev", "query-block", "query-block-jobs"),
    *("query-jobs", "query-named-block-nodes", "query-memory-devices", "query-iothreads"),
]
OPTIONS = (
    *("-no-shutdown", "-smp", "2", "-uuid", "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"),
    *("-chardev", "pty,id=charserial0", "-device", "isa-serial,chardev=charserial0"),
)


def shape(value: Any) -> Any:
    """Types instead of values; of a list the members' shapes as one."""
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case [first, *others] if isinstance(first, dict):
            return [shape({key: each[key] for each in (first, *others) for key in each})]
        case list():
            return sorted({shape(each) for each in value})
    return type(value).__name__


def fits(narrow: Any, wide: Any) -> bool:
    """Whether a program that reads the first will understand the second."""
    if isinstance(narrow, dict) and isinstance(wide, dict):
        return all(key in wide and fits(narrow[key], wide[key]) for key in narrow)
    if isinstance(narrow, list) and isinstance(wide, list):
        return not narrow or (bool(wide) and fits(narrow[0], wide[0]))
    return bool(narrow == wide)


@pytest.fixture
def both(fake_qemu: FakeQemu, tmp_path: Path) -> Iterator[tuple[Client, Client]]:
    """A real one and a fake one of the same arguments."""
    with emulators(tmp_path) as make:
        real, fake = (make(binary, *OPTIONS) for binary in (REAL, fake_qemu.emulator))
        yield real.client().negotiate(), fake.client().negotiate()


def test_answers_have_one_shape(both: tuple[Client, Client]) -> None:
    """What the fake one answers has keys and types of what the real one answers."""
    real, fake = ({name: shape(client.value(name)) for name in QUESTIONS} for client in both)
    assert {name: (fake[name], real[name]) for name in QUESTIONS if not fits(fake[name], real[name])} == {}
    missing = {name for name in QUESTIONS if isinstance(real[name], dict) and real[name] and not fake[name]}
    assert missing == set()


def test_answers_about_the_machine_are_equal(both: tuple[Client, Client]) -> None:
    """Name, UUID, target, status, and how many processors; the labels of chardevs, and a pty that opens."""
    real, fake = both
    for name in ("query-name", "query-uuid", "query-target", "query-status"):
        assert real.value(name) == fake.value(name)
    assert len(real.value("query-cpus-fast")) == len(fake.value("query-cpus-fast")) == 2
    for client in both:
        files = {each["label"]: each["filename"] for each in client.value("query-chardev")}
        assert files.keys() == {"charserial0", "charmonitor"}
        assert files["charmonitor"].startswith("unix:") and files["charmonitor"].endswith(",server=on")
        os.close(os.open(files["charserial0"].removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY))


@pytest.mark.parametrize("kind_of_type", ["device", "user-creatable"])
def test_the_fake_one_claims_nothing_that_is_not_there(
    both: tuple[Client, Client], kind_of_type: str
) -> None:
    """Its devices, objects and commands are the real one's, if fewer; so are aliases and default machine."""
    arguments = {"implements": kind_of_type, "abstract": False}
    real, fake = ({each["name"] for each in client.value("qom-list-types", **arguments)} for client in both)
    assert fake and fake <= real
    known, claimed = ({each["name"] for each in client.value("query-commands")} for client in both)
    assert {"cont", "quit", "query-commands"} <= claimed <= known
    machines = [
        {
            (each["alias"], each.get("is-default", False))
            for each in client.value("query-machines")
            if "alias" in each
        }
        for client in both
    ]
    assert machines[1] == machines[0]
