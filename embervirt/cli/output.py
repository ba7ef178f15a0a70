"""How answers look: rich's tables and trees on a terminal, the same in plain aligned text elsewhere, JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 100_000
"""Columns of plain text: no cell is ever folded for a program that reads it."""


def document(data: Any) -> str:
    """``data`` as one JSON document, indented."""
    return msgspec.json.format(msgspec.json.encode(data)).decode()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool) -> Table:
    """Cells are shown as they are, never read as rich's markup. No headers: no header line."""
    made = Table(
        box=box.SIMPLE_HEAD if terminal else None,
        show_header=any(headers),
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for header in headers:
        made.add_column(Text(header))
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    return made


def plain(renderable: RenderableType) -> str:
    """Without colour, at full width, no blanks at the ends of lines."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def show(renderable: RenderableType) -> None:
    """On a terminal with rich's colours and width, elsewhere as ``plain``."""
    if sys.stdout.isatty():
        Console().print(renderable)
    else:
        click.echo(plain(renderable))


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output."""
    show(table(headers, rows, terminal=sys.stdout.isatty()))
