"""Commands that show how a root works: its supervision tree, its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from rich.tree import Tree

    from embervirt.actors.subscription import Subscription
    from embervirt.config.load import Loaded
    from embervirt.runtime.root import Root
    from embervirt.supervisor.report import Node

REFRESH = 0.5
"""Seconds after which a change that is no event is seen: an actor that is up again, say."""

COLOURS = {"up": "green", "down": "red", "quarantined": "bold red"}
"""By a child's state; what is under way is yellow."""


@command()
@click.option("--watch", is_flag=True, help="Go on with each change, until Ctrl-C.")
@pass_session
def tree(session: Session, watch: bool) -> None:
    """Show the supervision tree: each actor's state, generation, restarts, and why it does not work.

    With --watch this command owns the root meanwhile, so other commands are refused. With --json as well each
    change is a document on a line of its own.
    """
    from embervirt.cli import output

    with session.connect() as conn:
        if watch:
            _follow(conn.root, session.json)
        elif session.json:
            click.echo(output.document(conn.root.tree()))
        else:
            output.show(rich_tree(conn.root.tree()))


def _follow(root: Root, json: bool) -> None:
    import sys

    import msgspec

    from embervirt.cli import output

    with root.subscribe() as subscription, suppress(KeyboardInterrupt):
        if json:
            for node in changes(root, subscription):
                click.echo(msgspec.json.encode(node).decode())
        elif sys.stdout.isatty():
            _live(changes(root, subscription))
        else:
            for node in changes(root, subscription):
                click.echo(output.plain(rich_tree(node)) + "\n")


def _live(nodes: Iterator[Node]) -> None:
    """In place on a terminal."""
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        for node in nodes:
            live.update(rich_tree(node), refresh=True)


def changes(root: Root, subscription: Subscription) -> Iterator[Node]:
    """The tree now, and whenever it is another; looked at when something happens, and twice a second.

    It ends with the root.
    """
    shown = None
    while not root.failed:
        node = root.tree()
        if ageless(node) != shown:
            shown = ageless(node)
            yield node
        subscription.get(REFRESH)


def ageless(node: Node) -> Node:
    """Without what grows by itself."""
    from msgspec.structs import replace

    zombies = [replace(zombie, age=0.0, stack="") for zombie in node.zombies]
    return replace(node, zombies=zombies, children=[ageless(each) for each in node.children])


def rich_tree(node: Node) -> Tree:
    """A node and all below it."""
    from rich.text import Text
    from rich.tree import Tree

    label = Text.assemble(
        (node.id, "bold"), *([f" ({node.strategy})"] if node.strategy else []), " ",
        (node.state, COLOURS.get(node.state, "yellow")), (details(node), "dim"),
    )  # fmt: skip
    made = Tree(label, guide_style="dim")
    for zombie in node.zombies:
        text = f"generation {zombie.generation} was given up {zombie.age:.0f} s ago and has not ended"
        made.add(Text(f"{text}: {zombie.operation}", "red"))
    for child in node.children:
        made.children.append(rich_tree(child))
    return made


def details(node: Node) -> str:
    """What there is to say beyond its state: generation and restarts if it had any, the reason it is out."""
    counted = f" generation {node.generation}, restarts {node.restarts}" if node.restarts else ""
    last = node.exits[-1].reason if node.exits and not node.why else ""
    return counted + (f", last exit: {last}" if last else "") + (f", {node.why}" if node.why else "")


@command()
@pass_session
def config(session: Session) -> None:
    """Show each setting, its value, and where that came from. The root is not opened."""
    from embervirt.cli import output
    from embervirt.config.load import load

    rows = settings(load(session.root, os.environ))
    if session.json:
        keys = ("setting", "value", "source")
        click.echo(output.document([dict(zip(keys, row, strict=True)) for row in rows]))
    else:
        shown = ((key, "unset" if value is None else _toml(value), source) for key, value, source in rows)
        output.show_table(["Setting", "Value", "From"], shown)


def settings(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """Dotted name, value, source, in the order of the defaults file."""
    from embervirt.config.load import value_of

    return [(key, value_of(loaded.settings, key), source) for key, source in loaded.sources.items()]


def _toml(value: object) -> str:
    """As it would stand in ``embervirt.toml``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


COMMANDS = [tree, config]
