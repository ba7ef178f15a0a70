"""A conversation with a guest's agent (qemu-guest-agent) over its channel, a Unix socket of QEMU's.

The guest may hang, or lie: every wait has its end, and what it says has a bound. A connection serves one
command, and begins with ``guest-sync-delimited``, for answers to somebody else may still be on the way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from embervirt import world
from embervirt.drivers.qemu.errors import AgentUnresponsive
from embervirt.drivers.root import sockets

SYNC = 5.0
"""Seconds for the agent to say that it is there, as libvirt has it."""

LARGEST = 10 * 1024 * 1024
"""Bytes of one reply."""

DELIMITER = b"\xff"
"""Before it, an agent drops what it had read; it sends one before its reply to the sync."""


async def converse(channel: Path, request: bytes, patience: float | None) -> bytes:
    """The line that answers ``request``, a line; empty when ``patience`` is 0: then it is only sent.

    ``patience``: seconds for the answer, None for ever. Raises AgentUnresponsive.
    """
    async with _connected(channel) as (reader, writer):
        await _in_time(_synchronised(reader, writer), SYNC, "synchronization")
        writer.write(request + b"\n")
        await writer.drain()
        if patience == 0:
            return b""
        return await _in_time(_line(reader), patience, "command")


@asynccontextmanager
async def _connected(channel: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        near = sockets.connect(channel)
    except OSError as error:
        text = f"its channel {channel} cannot be reached: {error.strerror or error}"
        raise AgentUnresponsive(text) from error
    reader, writer = await asyncio.open_unix_connection(sock=near, limit=LARGEST)
    try:
        yield reader, writer
    except ConnectionError as error:
        raise AgentUnresponsive(f"its channel was closed: {error}") from error
    except BaseException:
        writer.transport.abort()
        raise
    finally:
        writer.close()


async def _in_time(work: Coroutine[Any, Any, bytes], seconds: float | None, what: str) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        text = f"guest agent didn't respond to {what} within '{seconds:g}' seconds"
        raise AgentUnresponsive(text) from None


async def _synchronised(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Reads until the reply to this very sync; what comes before is a reply to nobody."""
    number = int.from_bytes(world.token_bytes(4)) >> 1
    sync = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
    writer.write(DELIMITER + json.dumps(sync).encode() + b"\n")
    while _returned(line := (await _line(reader)).rpartition(DELIMITER)[2]) != number:
        pass
    return line


def _returned(line: bytes) -> object:
    try:
        reply = json.loads(line)
    except ValueError:  # the rest of what was cut off
        return None
    return reply.get("return") if isinstance(reply, dict) else None


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise AgentUnresponsive(f"its reply is longer than {LARGEST} bytes") from error
    except asyncio.IncompleteReadError as error:
        raise AgentUnresponsive("its channel was closed before it replied") from error
    return line.strip()
