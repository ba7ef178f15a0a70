"""What travels on the bus: frozen typed structs, one class a message, named by where it is defined."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, get_args

import msgspec

R = TypeVar("R")


class Message(msgspec.Struct, frozen=True):
    """Base of everything sent. A class is found again by its ``kind``.

    ``limit``: seconds for which its handler may hold the actor's thread; None is the setting
    ``supervision.operation_limit``.
    """

    kinds: ClassVar[dict[str, type[Message]]] = {}
    kind: ClassVar[str] = ""
    limit: ClassVar[float | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = f"{cls.__module__}.{cls.__qualname__}"
        Message.kinds[cls.kind] = cls


class Request(Message, Generic[R], frozen=True):
    """A message with a reply of type ``R``: ``class Define(Request[Record], frozen=True)``.

    ``safe``: may be sent again to a successor when it was certainly not begun (reads, mostly).
    ``seconds``: its own deadline; None is the setting ``calls.deadline``.
    """

    safe: ClassVar[bool] = False
    seconds: ClassVar[float | None] = None
    reply: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            if get_args(base):
                cls.reply = get_args(base)[0]


class Event(Message, frozen=True):
    """Something that happened; numbered by the events actor and seen by every subscriber."""


class Numbered(msgspec.Struct, frozen=True):
    """An event as published: ``seq`` counts without gap within a root, ``at`` is Unix time in seconds."""

    seq: int
    at: float
    id: str
    kind: str
    body: msgspec.Raw

    def event(self) -> Event | None:
        """The event itself, or None when its class belongs to a driver that is not installed."""
        cls = Message.kinds.get(self.kind)
        decoded = None if cls is None else msgspec.json.decode(self.body, type=cls)
        return decoded if isinstance(decoded, Event) else None


class Header(msgspec.Struct, frozen=True, array_like=True):
    """First frame of a request. ``id`` 0 asks for no reply; ``deadline`` is monotonic seconds."""

    id: int
    kind: str
    deadline: float
    trace: int


class ReplyHeader(msgspec.Struct, frozen=True, array_like=True):
    """First frame of a reply to the request ``id``, from generation ``generation`` of the actor."""

    id: int
    ok: bool
    generation: int


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An error of the tree on its way to the caller; its class is found by name."""

    error: str
    detail: str
    info: str | None
    int1: int
    virdomain: int
