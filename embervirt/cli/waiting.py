"""What ``pool-event`` and ``net-event`` share: waiting for the callbacks of events, and showing them."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

Told = queue.SimpleQueue[str]
"""What callbacks say, a line each."""

WORDS = (
    click.option("--loop", is_flag=True, help="Go on until Ctrl-C or the end of the time."),
    click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="The longest to wait."),
    click.option("--timestamp", is_flag=True, help="With the time of each."),
    click.option("--list", "list_", is_flag=True, help="Only show which events there are."),
)


def waiting_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """How long, and how they are shown."""
    for option in reversed(WORDS):
        function = option(function)
    return function


def chosen(events: tuple[str, ...], wanted: str | None, list_: bool) -> int | None:
    """The number of the event that is waited for; None when only the list was wanted."""
    if list_:
        click.echo("\n".join(events))
        return None
    if wanted is None:
        raise click.UsageError(f"give --list or --event: {' or '.join(events)}")
    return events.index(wanted)


def wait_and_show(told: Told, loop: bool, timeout: int | None, timestamp: bool) -> None:
    """The first, or with ``loop`` all, up to the end of the time or Ctrl-C."""
    until, count = None if timeout is None else time.monotonic() + timeout, 0
    try:
        while loop or not count:
            text = told.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            when = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S.%f%z}: " if timestamp else ""
            click.echo(when + text)
            count += 1
    except queue.Empty:
        click.echo("event loop timed out")
    except KeyboardInterrupt:
        click.echo("event loop interrupted")
    click.echo(f"events received: {count}")
