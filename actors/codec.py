"""Messages to bytes and back: msgpack, decoded to exactly the declared type."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from embervirt.actors.messages import Failure, Header, Message, ReplyHeader, Request
from embervirt.errors import InternalError, libvirtError

encode = msgspec.msgpack.Encoder().encode


@cache
def _decoder(type_: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(type_)


def decode_header(frame: bytes) -> Header:
    """Header of a request. Raises ``msgspec.MsgspecError`` for anything else."""
    header: Header = _decoder(Header).decode(frame)
    return header


def decode_message(kind: str, body: bytes) -> Message:
    """The message of class ``kind``. Raises KeyError or ``msgspec.MsgspecError``."""
    message: Message = _decoder(Message.kinds[kind]).decode(body)
    return message


def decode_reply_header(frame: bytes) -> ReplyHeader:
    """Header of a reply."""
    header: ReplyHeader = _decoder(ReplyHeader).decode(frame)
    return header


def decode_reply(request: Request[Any], header: ReplyHeader, body: bytes) -> Any:
    """The reply to ``request``; raises the error it carries, InternalError for one of another type."""
    if header.ok:
        try:
            return _decoder(type(request).reply).decode(body)
        except msgspec.MsgspecError as error:
            what = f"the reply to {type(request).__name__} is not what it promises: {error}"
            raise InternalError(what) from error
    raise rebuild(_decoder(Failure).decode(body))


def failure(error: BaseException) -> Failure:
    """What the caller is told of ``error``. Outside the tree it is a bug: its text goes to the log only."""
    if not isinstance(error, libvirtError) or error.err is None:
        text = f"the actor failed with {type(error).__name__} and was replaced; the log has the traceback"
        error = InternalError(text)
    assert error.err is not None
    return Failure(type(error).__name__, error.detail, error.err[5], error.err[7], error.err[1])


def rebuild(sent: Failure) -> libvirtError:
    """The error that ``failure`` described."""
    cls = libvirtError.registry.get(sent.error, InternalError)
    error = cls.__new__(cls)  # a leaf may have a constructor of its own
    libvirtError.__init__(error, sent.detail, info=sent.info, int1=sent.int1, virdomain=sent.virdomain)
    return error
