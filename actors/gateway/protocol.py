"""The wire format, as pure functions: a frame to a request of the bus or to the error that refuses it.

Everything raised here is an error of the tree: nothing a peer sends is a bug of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import MsgspecError, Raw, Struct

from embervirt.actors import codec
from embervirt.actors.handover import Token
from embervirt.actors.messages import Message, Request
from embervirt.errors import AccessDenied, InternalError, InvalidArgument, NotSupported, libvirtError

NULL = Raw(b"null")
LONGEST_ID = 200
"""Bytes of an id as JSON; each event of a subscription repeats it."""

UNREADABLE = (MsgspecError, RecursionError, OverflowError, UnicodeDecodeError)
"""What decoding raises: no JSON, wrong types, too deep, beyond 64 bits, no UTF-8."""


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """``ask``: the short name of a request, for the actor ``to``; ``seconds``: how long the peer waits."""

    to: str
    ask: str
    id: Raw = NULL
    body: Raw = Raw(b"{}")
    seconds: float | None = None


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True):
    """All events after number ``subscribe``; None: from now on."""

    subscribe: int | None
    id: Raw = NULL


class Replied(Struct, frozen=True):
    """The end of a call that succeeded."""

    id: Raw
    reply: Any
    ok: bool = True


class Error(Struct, frozen=True):
    """An error of the tree: its class, libvirt's code and domain, the whole message."""

    name: str
    code: int | None
    domain: int | None
    message: str


class Refused(Struct, frozen=True):
    """The end of a call, or of a subscription, that failed."""

    id: Raw
    error: Error
    ok: bool = False


class Subscribed(Struct, frozen=True):
    """The start of a subscription, and its sign of life: every event up to ``seq`` was sent."""

    id: Raw
    seq: int


class Happened(Struct, frozen=True):
    """One event as the journal has it."""

    id: Raw
    event: Raw


class Lost(Struct, frozen=True):
    """Events ``first`` to ``last`` cannot be had any more: the journal is not that long."""

    id: Raw
    lost: tuple[int, int]


encode = msgspec.json.Encoder().encode


def refusal(id_: Raw, error: libvirtError) -> bytes:
    """The frame that tells a peer of ``error``."""
    text = Error(type(error).__name__, error.get_error_code(), error.get_error_domain(), str(error))
    return encode(Refused(id_, text))


def answer(id_: Raw, result: Any) -> bytes:
    """The frame that ends a call: with its reply, or with an error of the tree."""
    if isinstance(result, libvirtError):
        return refusal(id_, result)
    try:
        return encode(Replied(id_, result))
    except (*UNREADABLE, TypeError) as error:
        return refusal(id_, InternalError(f"the reply cannot be told in JSON: {error}"))


def read(frames: list[bytes], largest: int) -> tuple[Raw, Ask | Subscribe | libvirtError]:
    """The id and the request in a message, or what is wrong with it; the id is null when it cannot be read.

    A request has one frame of at most ``largest`` bytes.
    """
    id_ = NULL
    try:
        given = _fields(frames, largest)
        id_ = _identity(given)
        return id_, _parse(given, frames[0])
    except libvirtError as error:
        return id_, error


def _fields(frames: list[bytes], largest: int) -> dict[str, Raw]:
    if len(frames) != 1:
        raise InvalidArgument(f"a message of {len(frames)} frames: expected one, from a DEALER socket")
    if len(frames[0]) > largest:
        size = f"a request has {len(frames[0])} bytes: at most {largest} are accepted"
        raise InvalidArgument(f"{size} (setting gateway.max_message)")
    try:
        return _object().decode(frames[0].decode())
    except UNREADABLE as error:
        raise InvalidArgument(f"a request must be a JSON object in UTF-8: {error}") from error


def _identity(given: dict[str, Raw]) -> Raw:
    id_ = given.get("id", NULL)
    if len(bytes(id_)) > LONGEST_ID:
        raise InvalidArgument(f"id has {len(bytes(id_))} bytes: at most {LONGEST_ID} are accepted")
    return id_.copy()


def _parse(given: dict[str, Raw], frame: bytes) -> Ask | Subscribe:
    type_ = Subscribe if "subscribe" in given else Ask
    try:
        return _decoder(type_).decode(frame)  # type: ignore[no-any-return]
    except UNREADABLE as error:
        wish = "expected to, ask, body, seconds and id, or subscribe and id"
        raise InvalidArgument(f"{wish}: {error}") from error


def check_allowed(name: str, allow: Iterable[str]) -> None:
    """Raises AccessDenied unless a pattern of ``allow`` matches ``name``."""
    if not any(fnmatchcase(name, pattern) for pattern in allow):
        raise AccessDenied(f"{name[:100]} may not be asked from outside (setting gateway.allow)")


def request_class(name: str) -> type[Request[Any]]:
    """The request of that short name. Raises InvalidArgument; NotSupported for one that carries a token."""
    found = _catalogue(len(Message.kinds)).get(name, ())
    if len(found) != 1:
        kinds = " and ".join(each.kind for each in found)
        why = f"{kinds} are called so" if found else "there is no such request"
        raise InvalidArgument(f"ask {name[:100]!r}: {why}; expected a name such as qemu.Suspend")
    if carries_token(found[0]):
        raise NotSupported(f"{name} carries a secret or a descriptor, which never leaves the process")
    return found[0]


def decode_request(cls: type[Request[Any]], body: Raw) -> tuple[Request[Any], bytes]:
    """The message, and as it travels on the bus. Raises InvalidArgument."""
    try:
        unknown = _object().decode(body).keys() - set(cls.__struct_encode_fields__)
        message: Request[Any] = _decoder(cls).decode(body)
        encoded = codec.encode(message)
    except UNREADABLE as error:
        raise InvalidArgument(f"body of {short_name(cls)}: {error}") from error
    if unknown:
        known = ", ".join(cls.__struct_encode_fields__) or "none"
        wrong = ", ".join(sorted(unknown))[:200]
        raise InvalidArgument(f"body of {short_name(cls)}: there is no field {wrong}; its fields: {known}")
    return message, encoded


def short_name(cls: type[Message]) -> str:
    """``qemu.Suspend`` for ``embervirt.drivers.qemu.messages.Suspend``: module and class."""
    module = [part for part in cls.__module__.split(".") if part != "messages"]
    return f"{module[-1]}.{cls.__qualname__}" if module else cls.__qualname__


@cache
def _catalogue(_: int) -> dict[str, tuple[type[Request[Any]], ...]]:
    """Requests by short name; a new one for each number of messages, for drivers are loaded late."""
    found: defaultdict[str, tuple[type[Request[Any]], ...]] = defaultdict(tuple)
    for cls in list(Message.kinds.values()):
        if issubclass(cls, Request) and cls is not Request:
            found[short_name(cls)] += (cls,)
    return dict(found)


@cache
def carries_token(cls: type[Request[Any]]) -> bool:
    """Is there a token of the hand-over table in it, or in its reply? It would mean nothing outside."""
    return _mentions_token(cls, set()) or _mentions_token(cls.reply, set())


def _mentions_token(type_: Any, seen: set[Any]) -> bool:
    if type_ is Token:
        return True
    if isinstance(type_, type) and issubclass(type_, Struct):
        if type_ in seen:
            return False
        seen.add(type_)
        hints = get_type_hints(type_)
        return any(_mentions_token(hints[name], seen) for name in type_.__struct_fields__)
    return any(_mentions_token(part, seen) for part in get_args(type_))


@cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_)


def _object() -> msgspec.json.Decoder[dict[str, Raw]]:
    return _decoder(dict[str, Raw])
