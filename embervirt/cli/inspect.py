"""Commands that show how a root works: its supervision tree, its settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from rich.tree import Tree

    from embervirt.config.load import Loaded
    from embervirt.supervisor.report import Node

COLOURS = {"up": "green", "down": "red", "quarantined": "bold red"}
"""By a child's state; what is under way is yellow."""


@command()
@pass_session
def tree(session: Session) -> None:
    """Show the supervision tree: each actor's state, generation, restarts, and why it does not work."""
    from embervirt.cli import output

    with session.connect() as conn:
        node = conn.root.tree()
    if session.json:
        click.echo(output.document(node))
    else:
        output.show(rich_tree(node))


def rich_tree(node: Node) -> Tree:
    """A node and all below it."""
    from rich.text import Text
    from rich.tree import Tree

    label = Text.assemble(
        (node.id, "bold"), *([f" ({node.strategy})"] if node.strategy else []), " ",
        (node.state, COLOURS.get(node.state, "yellow")), (details(node), "dim"),
    )  # fmt: skip
    made = Tree(label, guide_style="dim")
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
