"""Commands that fill a volume from a file, and a file from a volume."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from embervirt.cli.session import Refused, Session, name_of
from embervirt.cli.storage.common import size, volume_command, watched

if TYPE_CHECKING:
    from embervirt.libvirt.storage import virStorageVol

STDOUT = "<stdout>"
"""What Python and click call what - stands for."""

ENDLESS = 1 << 63
"""Bytes: more than any file has."""


@volume_command("vol-upload", alone=False)
@click.argument("file", type=click.File("rb"))
@click.option("--offset", type=size, metavar="SIZE", default="0", help="Where in the volume it begins.")
@click.option("--length", type=size, metavar="SIZE", default="0", help="How much of FILE; else all of it.")
@click.option("--sparse", is_flag=True, help="The file's holes become holes of the volume.")
def vol_upload(
    session: Session, volume: virStorageVol, vol: str, file: Any, offset: int, length: int, sparse: bool
) -> None:
    """Fill a volume with what is in FILE."""
    source = _Source(_plain(file), length or ENDLESS)
    if sparse and not file.seekable():
        raise Refused(f"{name_of(file)} has no holes that could be found: --sparse needs a plain file")

    def send() -> None:
        stream = volume.connect().newStream()
        volume.upload(stream, offset, length, int(sparse))
        if sparse:
            stream.sparseSendAll(source.read, source.section, source.skip, None)
        else:
            stream.sendAll(source.read, None)
        stream.finish()

    watched(volume.connect(), send)
    session.answer(f"Vol {vol} filled from {name_of(file)}", name=volume.name())


def _plain(file: Any) -> Any:
    """Without a buffer, which nobody could close while a thread waits for a pipe in its lock."""
    return getattr(file, "raw", file)


class _Source:
    """At most ``left`` bytes of a file, as virStream's handlers ask for them."""

    def __init__(self, file: Any, left: int) -> None:
        self._file, self._left = file, left

    def read(self, _: object, count: int, __: object) -> bytes:
        data: bytes = self._file.read(min(count, self._left))
        self._left -= len(data)
        return data

    def section(self, _: object, __: object) -> tuple[bool, int]:
        """Whether data is next, and how much of that; ``(True, 0)`` at the end."""
        at = self._file.tell()
        end = min(os.fstat(self._file.fileno()).st_size, at + self._left)
        if at >= end:
            return True, 0
        data = self._next(at, end, os.SEEK_DATA)
        if data > at:
            return False, data - at
        return True, self._next(at, end, os.SEEK_HOLE) - at

    def _next(self, at: int, end: int, what: int) -> int:
        """Where the next data or hole begins; the file stays where it is."""
        try:
            return min(os.lseek(self._file.fileno(), at, what), end)
        except OSError:  # ENXIO: there is none any more
            return end
        finally:
            self._file.seek(at)

    def skip(self, _: object, length: int, __: object) -> int:
        self._file.seek(length, os.SEEK_CUR)
        self._left -= length
        return 0


@volume_command("vol-download", alone=False)
@click.argument("file", type=click.File("wb"))
@click.option("--offset", type=size, metavar="SIZE", default="0", help="Where in the volume to begin.")
@click.option("--length", type=size, metavar="SIZE", default="0", help="How much; else up to its end.")
@click.option("--sparse", is_flag=True, help="The volume's holes become holes of the file.")
def vol_download(
    session: Session, volume: virStorageVol, vol: str, file: Any, offset: int, length: int, sparse: bool
) -> None:
    """Write what is in a volume to FILE."""
    if sparse and not file.seekable():
        raise Refused(f"{name_of(file)} can have no holes: --sparse needs a plain file")

    into = _plain(file)

    def write(_: object, data: bytes, __: object) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[into.write(rest) :]

    def skip(_: object, count: int, __: object) -> None:
        into.truncate(into.seek(count, os.SEEK_CUR))

    def receive() -> None:
        stream = volume.connect().newStream()
        volume.download(stream, offset, length, int(sparse))
        if sparse:
            stream.sparseRecvAll(write, skip, None)
        else:
            stream.recvAll(write, None)
        stream.finish()

    watched(volume.connect(), receive)
    if getattr(file, "name", STDOUT) != STDOUT:  # there, a word of ours would be one more of the volume
        session.answer(f"Vol {vol} written to {file.name}", name=volume.name())


COMMANDS: list[click.Command] = [vol_upload, vol_download]
