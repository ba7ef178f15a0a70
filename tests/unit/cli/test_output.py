"""Tables, trees, events: what commands print, compared with golden files."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from embervirt.cli import output
from embervirt.cli.events import line
from embervirt.cli.inspect import ageless, rich_tree
from embervirt.cli.looking import info_rows
from embervirt.supervisor.report import Exited, Node, Zombie

Golden = Callable[[str, str], None]
AT = 1_700_000_000.123


def node(id_: str, state: str = "up", *children: Node, **more: object) -> Node:
    """A child of the tree; what is not given is as of one that never failed."""
    fields: dict[str, object] = {
        "id": id_, "kind": "actor", "state": state, "generation": 1, "restart": "permanent", "restarts": 0,
        "failures": 0, "why": "", "strategy": "", "exits": [], "children": list(children),
    }  # fmt: skip
    return Node(**(fields | more))  # type: ignore[arg-type]


def test_plain_tables_are_aligned_and_whole(golden: Golden) -> None:
    """Columns line up, nothing is folded or cut however long, and no line ends in blanks."""
    rows = [(1, "a", "running"), ("-", "long-" * 40, "shut off"), ("-", "[red]not markup[/red]", "paused")]
    text = output.plain(output.table(["Id", "Name", "State"], rows, terminal=False))
    golden("cli/table.txt", text + "\n")
    assert not [row for row in text.splitlines() if row != row.rstrip()]


def test_an_empty_table_is_its_header(golden: Golden) -> None:
    """A program that reads the output sees the columns even when there is nothing."""
    assert output.plain(output.table(["Id", "Name"], [], terminal=False)) == "Id  Name"


def test_domain_information_is_laid_out_as_virsh_does(golden: Golden) -> None:
    """``dominfo``'s lines, without a header."""
    row = {
        "id": 3, "name": "demo", "uuid": "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b", "state": "running",
        "persistent": True,
        "degraded": "",
    }  # fmt: skip
    facts = {"vcpus": 2, "cpu_time_ns": 1_540_000_000, "max_memory_kib": 131072, "memory_kib": 65536}
    rows = info_rows(row, "hvm", facts)
    golden("cli/dominfo.txt", output.plain(output.table(["", ""], rows, terminal=False)) + "\n")


def test_the_supervision_tree_shows_what_went_wrong(golden: Golden) -> None:
    """Restarted and quarantined children say how often, and why."""
    crashed = node(
        "qemu",
        "up",
        generation=3,
        restarts=2,
        failures=2,
        exits=[Exited(2, 1.0, "crash: ValueError", "Define")],
    )
    out = node("1-demo", "quarantined", generation=17, restarts=16, why="16 failures within 60 s")
    drivers = node("drivers", "up", crashed, node("secret", "starting"), strategy="one_for_one")
    tree = node("root", "up", node("events"), drivers, node("guests", "up", out, strategy="dynamic"),
                strategy="rest_for_one")  # fmt: skip
    golden("cli/tree.txt", output.plain(rich_tree(tree)) + "\n")


def test_the_supervision_tree_shows_what_was_given_up_and_does_not_end(golden: Golden) -> None:
    """Below its actor, with its age and what it does; a degraded root says why."""
    stuck = node("qemu", generation=2, restarts=1, zombies=[Zombie(1, 12.3, "Define", 2, "stack")])
    why = "io: root/drivers/qemu waits for a disk"
    tree = node("root", "degraded", node("drivers", "up", stuck), why=why)
    golden("cli/tree-zombie.txt", output.plain(rich_tree(tree)) + "\n")


def test_a_zombie_that_only_grows_older_is_no_change() -> None:
    """Whoever watches the tree sees news only."""
    young, old = (node("a", "up", node("b", zombies=[Zombie(1, age, "Do", 0, "")])) for age in (1.0, 2.0))
    assert ageless(young) == ageless(old)
    assert ageless(young) != ageless(node("a", "up", node("b")))


EVENTS = [
    ("embervirt.drivers.qemu.messages.Lifecycle",
     {"name": "demo", "uuid": "u", "id": 1, "event": 5, "detail": 5, "why": "killed by signal 9 (SIGKILL)"}),
    ("embervirt.drivers.qemu.messages.Lifecycle",
     {"name": "demo", "uuid": "u", "id": -1, "event": 0, "detail": 0, "why": ""}),
    ("embervirt.drivers.qemu.messages.Rebooted", {"name": "demo", "uuid": "u", "id": 1}),
    ("embervirt.supervisor.report.ChildFailed",
     {"supervisor": "root/drivers", "context": "child_terminated", "reason": "crash: ValueError",
      "child": "qemu", "generation": 1, "restarts": 1, "decision": "restart now", "doing": "Define"}),
    ("embervirt.drivers.secret.messages.SecretLifecycle",
     {"uuid": "u", "usage_type": 1, "usage_id": "/disk", "event": 1, "detail": 0}),
    ("embervirt.drivers.secret.messages.SecretValueChanged",
     {"uuid": "u", "usage_type": 0, "usage_id": ""}),
    ("another.package.messages.Melted", {"what": "core", "how_much": 3, "note": ""}),
]  # fmt: skip


def test_events_are_one_line_each(golden: Golden) -> None:
    """Number, time, name and what it says in words; an unknown event shows its fields."""
    lines = [line(number, AT + number, kind, body) for number, (kind, body) in enumerate(EVENTS, 1)]
    golden("cli/events.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("data", [{"a": [1, None, "ü"]}, [], {"xml": "<a>\n</a>"}])
def test_json_documents_are_json(data: object) -> None:
    """What is printed reads back as what was meant."""
    assert json.loads(output.document(data)) == data
