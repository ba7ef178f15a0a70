"""Commands about domains, one process each, on a root they share: guests outlive the commands."""

from __future__ import annotations

import json
from itertools import takewhile

import pytest

from integration.cli.harness import FIRMWARE, Cli, Running


@pytest.fixture
def demo(cli: Cli) -> str:
    """The UUID of a defined domain ``demo``."""
    uuid: str = cli.json("define", "-", stdin=FIRMWARE.format(name="demo"))["uuid"]
    return uuid


def test_a_domain_lives_from_define_to_undefine(cli: Cli) -> None:
    """Each command says what it did in virsh's words, and the next one finds it done."""
    file = cli.file("demo.xml", FIRMWARE.format(name="demo"))
    assert cli("define", file) == f"Domain 'demo' defined from {file}\n"
    assert cli("list") == "Id  Name  State\n"
    assert cli("list", "--all") == "Id  Name  State\n-   demo  shut off\n"
    assert cli("start", "demo") == "Domain 'demo' started\n"
    assert cli("list") == "Id  Name  State\n1   demo  running\n"
    assert cli("domstate", "demo") == "running\n"
    assert len(cli.qemus()) == 1
    assert cli("suspend", "demo") == "Domain 'demo' suspended\n"
    assert cli("domstate", "demo") == "paused\n"
    assert cli("resume", "demo") == "Domain 'demo' resumed\n"
    assert cli("domstate", "demo") == "running\n"
    assert cli("destroy", "demo") == "Domain 'demo' destroyed\n"
    assert cli.qemus() == []
    assert cli("undefine", "demo") == "Domain 'demo' has been undefined\n"
    assert cli("list", "--all", "--json") == "[]\n"


def test_a_domain_is_found_by_name_uuid_and_id(cli: Cli, demo: str) -> None:
    """All three name it, and a domain whose name is a number is found when no id is that number."""
    cli("define", "-", stdin=FIRMWARE.format(name="77"))
    cli("start", "demo", "--paused")
    for wanted in ("demo", demo, "1"):
        assert cli("domname", wanted) == "demo\n"
        assert cli("domuuid", wanted) == f"{demo}\n"
        assert cli("domid", wanted) == "1\n"
    assert cli("domname", "77") == "77\n"
    assert cli("domid", "77") == "-\n"
    assert cli("list", "--all", "--name") == "demo\n77\n"
    assert cli("list", "--inactive", "--name") == "77\n"
    cli("destroy", "1")


def test_xml_is_printed_live_and_as_defined(cli: Cli, demo: str) -> None:
    """The running domain's XML has its id and pty, the definition has neither and can be defined again."""
    cli("start", "demo", "--paused")
    live, kept = cli("dumpxml", "demo"), cli("dumpxml", "demo", "--inactive")
    assert "<domain type='qemu' id='1'>" in live
    assert "/dev/pts/" in live
    assert "<domain type='qemu'>" in kept
    assert "/dev/pts/" not in kept
    cli("destroy", "demo")
    cli("define", "-", stdin=kept)
    assert cli("dumpxml", "demo") == kept


def test_json_tells_all_there_is(cli: Cli, demo: str) -> None:
    """Every command that answers does so in one JSON document when asked."""
    about = {"name": "demo", "uuid": demo}
    assert cli.json("start", "demo", "--paused") == about | {"id": 1}
    (row,) = cli.json("list")
    running = {"id": 1, "state": "paused", "reason": row["reason"], "persistent": True, "degraded": ""}
    assert row == about | running
    info = cli.json("dominfo", "demo")
    assert (info["vcpus"], info["max_memory_kib"], info["os_type"]) == (1, 65536, "hvm")
    assert cli.json("dumpxml", "demo")["xml"].startswith("<domain type='qemu' id='1'>")
    assert cli.json("destroy", "demo")["name"] == "demo"
    assert cli.json("domstate", "demo")["state"] == "shut off"
    assert cli.json("undefine", "demo") == about


def test_a_created_domain_is_gone_once_it_ends(cli: Cli) -> None:
    """It runs on after the command, and is not known any more after its end."""
    assert cli("create", "-", "--paused", stdin=FIRMWARE.format(name="demo")) == (
        "Domain 'demo' created from standard input\n"
    )
    assert cli("domstate", "demo", "--reason").startswith("paused (")
    cli("destroy", "demo")
    assert cli("list", "--all", "--name") == ""


def test_a_guest_that_ignores_the_power_button_is_told_of(cli: Cli, demo: str) -> None:
    """``shutdown --wait`` fails when the guest still runs by then, and the guest does."""
    cli("start", "demo")
    done = cli.try_("shutdown", "demo", "--wait", "0.2")
    assert (done.returncode, done.stderr) == (
        1, "error: domain 'demo' was asked to power off 0.2 s ago and still runs\n",
    )  # fmt: skip
    assert cli("domstate", "demo") == "running\n"
    cli("destroy", "demo")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start", "nobody"], "Domain not found: no domain has the name, UUID or id 'nobody' under "),
        (["destroy", "demo"], "Requested operation is not valid: domain is not running"),
        (["console", "demo"], "domain 'demo' does not run, or has no console of type pty"),
        (["secret-dumpxml", "8c1d2f4e-0000-4000-8000-000000000001"], "Secret not found: "),
        (["secret-dumpxml", "no-uuid"], "invalid argument: "),
    ],
)
def test_a_refusal_is_one_line_and_status_1(cli: Cli, demo: str, words: list[str], message: str) -> None:
    """Libvirt's message on standard error, nothing on standard output, no traceback."""
    done = cli.try_(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_events_are_numbered_and_can_be_followed(cli: Cli, demo: str) -> None:
    """The journal from the beginning or a number on; ``--follow`` shows what happens, and owns the root."""
    cli("start", "demo")
    events = [json.loads(line) for line in cli("events", "--json").splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["body"]["event"] for event in events if event["body"].get("name") == "demo"] == [0, 2]
    (last,) = cli("events", "--since", len(events) - 1).splitlines()
    assert last.endswith("Lifecycle demo (id 1) Started Booted")
    with cli.running("events", "--follow", "--since", 0, root=True) as following:
        following.until("Started Booted")
        busy = cli.try_("list")
        assert busy.returncode == 1
        assert f"process {following.process.pid} (" in busy.stderr
        cli.qemus()[0].kill()
        (line,) = following.until("Stopped")
        assert "demo (id 1) Stopped Failed: killed by signal 9 (SIGKILL)" in line
        following.send()
        assert following.end() == (0, "", "")


def test_the_tree_shows_drivers_and_guests(cli: Cli, demo: str) -> None:
    """In text and as JSON, for the guest that an earlier command started."""
    cli("start", "demo", "--paused")
    assert "1-demo up" in cli("tree")
    root = cli.json("tree")
    assert (root["id"], root["state"]) == ("root", "up")
    (guests,) = [child for child in root["children"] if child["id"] == "guests"]
    assert [child["id"] for child in guests["children"]] == ["1-demo"]
    cli("destroy", "demo")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_tree_can_be_watched(cli: Cli, demo: str, form: tuple[str, ...]) -> None:
    """It is shown at once and at each change, as text or a JSON document a line; Ctrl-C ends it well."""
    cli("start", "demo")
    with cli.running("tree", "--watch", *form, root=True) as watching:
        first = shown(watching, form)
        assert "1-demo" in first
        cli.qemus()[0].kill()
        while "1-demo" in (last := shown(watching, form)):
            pass
        watching.send()
        status, _, errors = watching.end()
        assert (status, errors) == (0, "")
    if form:
        trees = [json.loads(each) for each in (first, last)]
        assert [each["id"] for each in trees[0]["children"]] == ["events", "processes", "drivers", "guests"]
        assert [len(each["children"][3]["children"]) for each in trees] == [1, 0]
    else:
        assert "guests (dynamic) up" in last


def shown(watching: Running, form: tuple[str, ...]) -> str:
    """The next tree: a line of JSON, or lines up to an empty one."""
    assert watching.process.stdout is not None
    lines = takewhile(str.strip, watching.process.stdout)
    said = next(lines, "") if form else "".join(lines)
    assert said, "it ended"
    return said
