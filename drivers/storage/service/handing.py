"""What qemu-img gets in hand: images by descriptor, so that it opens what was looked at, and passphrases."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embervirt.actors.bus import Bus
from embervirt.drivers.secret.messages import FindValue, GetValue
from embervirt.drivers.storage.backend import child
from embervirt.drivers.storage.errors import StorageInternal, StorageXml
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import Volume
from embervirt.drivers.xml import replace
from embervirt.errors import libvirtError

VOLUME = 1
"""VIR_SECRET_USAGE_TYPE_VOLUME."""

NO_SECRET = 66
"""VIR_ERR_NO_SECRET."""

UNLUCKY = "Unable to get accurate CPU usage"
"""What qemu-img says when it measured how fast keys are derived, and the kernel had not counted that yet.

QEMU's commit c72cab5ad9f8 (9.2, and stable releases from 7.2.14 on) gives up when the first 32768 rounds took
no time by ``getrusage``, which is late by milliseconds; 145f12ea885c (9.2.1) goes on measuring. No option
helps: there are as many first rounds whatever ``iter-time`` says, which only scales what was measured
(crypto/pbkdf.c, crypto/block-luks.c). Of QEMU 7.2.22 with ``iter-time=10`` one in five failed.
"""

TRIES = 20


@dataclass(frozen=True)
class Hands:
    """What the programs of one job are given, until the end of its ``with``: see ``hands``."""

    bus: Bus = field(repr=False)
    scratch: Path
    _held: ExitStack = field(repr=False)
    _given: dict[int, str] = field(default_factory=dict)

    def path(self, descriptor: int, called: str) -> str:
        """A path that is what ``descriptor`` is open on; errors call it ``called``."""
        self._given[descriptor] = called
        return f"/proc/self/fd/{descriptor}"

    def image(self, volume: Volume, descriptor: int) -> Volume:
        """``volume`` at such a path; a relative name of the image below it means what it meant."""
        path, backing = self.path(descriptor, volume.path), volume.backing
        if backing is not None and backing.path and not _anywhere(backing.path):
            if volume.target.encryption is not None:
                return volume  # its options have another form, and no place for one below
            path = _layered(path, str(Path(volume.path).parent / backing.path), backing.format_name)
        return replace(volume, target=replace(volume.target, path=path))

    def key(self, volume: Volume) -> str:
        """A path with the passphrase, in memory only; "" for a volume without one.

        Raises NoSecret (there is none, or it has no value), InvalidArgument (it is for something else),
        StorageXml (nobody said which).
        """
        if volume.target.encryption is None:
            return ""
        value = self._value(volume)
        descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
        self._held.callback(os.close, descriptor)
        os.write(descriptor, value.reveal())
        return self.path(descriptor, "(a passphrase)")

    def run(self, job: Job, argv: Sequence[str], total: int, growing: int | None = None) -> None:
        """Run a program on them. ``growing`` as ``child.run`` has it, which raises what this raises."""
        for left in reversed(range(TRIES)):
            try:
                child.run(job, argv, self.scratch, total, given=self._given, growing=growing)
            except StorageInternal as error:
                if not left or UNLUCKY not in str(error):
                    raise
            else:
                return

    def _value(self, volume: Volume) -> Any:
        given = volume.target.encryption.secrets if volume.target.encryption else ()
        if given and given[0].uuid:
            token = self.bus.call("secret", GetValue(given[0].uuid, internal=True, usage_type=VOLUME))
        elif given:
            token = self.bus.call("secret", FindValue(VOLUME, given[0].usage or ""))
        else:
            token = self._of_path(volume)
        return self.bus.handover.take(token)

    def _of_path(self, volume: Volume) -> Any:
        """Where nobody said which secret: the one for a volume of that path, as libvirt has it."""
        try:
            return self.bus.call("secret", FindValue(VOLUME, volume.path))
        except libvirtError as error:
            if error.get_error_code() != NO_SECRET:
                raise
            wanted = f"expected one with <usage type='volume'><volume>{volume.path}</volume></usage>"
            raise StorageXml(
                f"no secret provided for luks encryption: volume '{volume.name}', {wanted}"
            ) from error


@contextmanager
def hands(bus: Bus, scratch: Path) -> Iterator[Hands]:
    """For one job; ``scratch``: a folder for what its programs' ends are."""
    with ExitStack() as held:
        yield Hands(bus, scratch, held)


def _anywhere(below: str) -> bool:
    """Whether the name of an image below means the same from any directory."""
    return below.startswith("/") or ":" in below.partition("/")[0]


def _layered(path: str, below: str, format_: str) -> str:
    """An image as QEMU's pseudo-protocol ``json:`` has it, with the one below it said."""
    layers = {
        "file": {"driver": "file", "filename": path},
        "backing": {"driver": format_, "file": {"driver": "file", "filename": below}},
    }
    return f"json:{json.dumps(layers)}"
