"""The command ``events``: what happened under a root, numbered without gap, as text or JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli import words
from embervirt.cli.session import Session, command, pass_session

if TYPE_CHECKING:
    from embervirt.actors.messages import Numbered
    from embervirt.actors.subscription import Overflow, Subscription


@command()
@click.option("--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--since", type=click.IntRange(min=0), metavar="N", help="Begin after event number N.")
@pass_session
def events(session: Session, follow: bool, since: int | None) -> None:
    """Print the events of a root, each with its number.

    Without --follow: those of the journal, from its beginning or after --since. With it: what happens from
    now on, or after --since; this command owns the root meanwhile, so other commands are refused.
    """
    start = since if since is not None or follow else 0
    with session.connect() as conn, conn.root.subscribe(start) as subscription:
        try:
            for received in _received(subscription, follow):
                click.echo(_json(received) if session.json else _text(received))
        except KeyboardInterrupt:
            return


def _received(subscription: Subscription, follow: bool) -> Any:
    """Up to the last event there is now, or for ever."""
    last = subscription.seq
    while (received := subscription.get(None if follow else 0)) is not None:
        yield received
        if not follow and getattr(received, "seq", 0) >= last:
            return


def _json(received: Numbered | Overflow) -> str:
    import msgspec

    from embervirt.actors.subscription import Overflow

    document: Any = {"lost": received} if isinstance(received, Overflow) else received
    return msgspec.json.encode(document).decode()


def _text(received: Numbered | Overflow) -> str:
    import msgspec

    from embervirt.actors.subscription import Overflow

    if isinstance(received, Overflow):
        return f"events {received.first} to {received.last} are in the journal no more"
    return line(received.seq, received.at, received.kind, msgspec.json.decode(received.body))


def line(seq: int, at: float, kind: str, body: dict[str, Any]) -> str:
    """Number, time (UTC, milliseconds), the event's name, and what it says."""
    when = datetime.fromtimestamp(at, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")
    name = kind.rpartition(".")[2]
    return f"{seq} {when} {name} {SAYS.get(name, _fields)(body)}".rstrip()


def _fields(body: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in body.items() if value != "")


def _lifecycle(body: dict[str, Any]) -> str:
    id_ = f" (id {body['id']})" if body["id"] > 0 else ""
    why = f": {body['why']}" if body.get("why") else ""
    return f"{body['name']}{id_} {words.lifecycle(body['event'], body['detail'])}{why}"


def _rebooted(body: dict[str, Any]) -> str:
    return f"{body['name']} (id {body['id']})"


def _degraded(body: dict[str, Any]) -> str:
    return f"{_rebooted(body)}: {body['why']}"


def _child_failed(body: dict[str, Any]) -> str:
    doing = f" while it did {body['doing']}" if body["doing"] else ""
    child = f"{body['supervisor']}/{body['child']} generation {body['generation']}"
    return f"{child}: {body['reason']}{doing}; {body['decision']}"


def _slow(body: dict[str, Any]) -> str:
    waits = f", waits for {body['asks']}" if body["asks"] else ""
    child = f"{body['child']} generation {body['generation']}"
    return f"{child}: {body['operation']} for {body['age']:.3g} s{waits}"


def _health(body: dict[str, Any]) -> str:
    return "; ".join(body["reasons"]) or "the root is whole again"


def _secret(body: dict[str, Any]) -> str:
    usage = f"{words.word(words.USAGES, body['usage_type'])} {body['usage_id']}".strip()
    return f"{body['uuid']} ({usage})"


def _secret_lifecycle(body: dict[str, Any]) -> str:
    return f"{_secret(body)} {('Defined', 'Undefined')[body['event']]}"


SAYS: dict[str, Callable[[dict[str, Any]], str]] = {
    "Lifecycle": _lifecycle,
    "Rebooted": _rebooted,
    "Degraded": _degraded,
    "Recovered": _rebooted,
    "ChildFailed": _child_failed,
    "SlowOperation": _slow,
    "HealthChanged": _health,
    "SecretLifecycle": _secret_lifecycle,
    "SecretValueChanged": _secret,
}
"""By event; one that is not here shows its fields."""

COMMANDS = [events]
