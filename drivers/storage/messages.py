"""The storage driver's contract. Pools go by UUID, volumes by their pool's UUID and their name."""

from __future__ import annotations

from typing import ClassVar

from embervirt.actors.handover import Token
from embervirt.actors.messages import Event, Message, Request

LONG = 7 * 86_400.0
"""Seconds that a job may take: it is watched and can be cancelled, so this only ends what is forgotten."""


class PoolRef(Message, frozen=True):
    """Which pool."""

    uuid: str
    name: str


class VolumeRef(Message, frozen=True):
    """Which volume."""

    pool: str
    name: str
    key: str


class FoundVolume(Message, frozen=True):
    """What a volume is to a guest. ``pool``: the kind of its pool; ``type``: virStorageVolType.

    ``host``, ``port`` and ``target``: of an iSCSI pool; ``with_auth``: it is asked with an account.
    """

    pool: str
    type: int
    path: str
    host: str = ""
    port: int = 0
    target: str = ""
    with_auth: bool = False


class FindVolume(Request[FoundVolume], frozen=True):
    """A volume by the names of its pool and its own. Certainly no effect."""

    safe = True
    pool: str
    volume: str


class Define(Request[PoolRef], frozen=True):
    """Keep a pool, complete XML as rendered from the parsed model."""

    safe = True
    uuid: str
    xml: str


class Undefine(Request[None], frozen=True):
    """Forget a pool that is not active."""

    safe = True
    uuid: str


class SetAutostart(Request[None], frozen=True):
    """Whether it starts with the driver."""

    safe = True
    uuid: str
    on: bool


class CreatePool(Request[PoolRef], frozen=True):
    """Start a pool that is not defined; ``build``: virStoragePoolCreateFlags."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    uuid: str
    xml: str
    build: int = 0


class Start(Request[None], frozen=True):
    """Start a defined pool; ``build``: virStoragePoolCreateFlags."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    uuid: str
    build: int = 0


class Build(Request[None], frozen=True):
    """Make what a pool lies on; ``flags``: virStoragePoolBuildFlags."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    uuid: str
    flags: int = 0


class Stop(Request[None], frozen=True):
    """No longer active; its volumes stay."""

    safe = True
    uuid: str


class Delete(Request[None], frozen=True):
    """Remove what a pool that is not active lies on, if nothing is in it."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    uuid: str


class Refresh(Request[None], frozen=True):
    """Look again which volumes there are."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    uuid: str


class CreateVolume(Request[VolumeRef], frozen=True):
    """``flags``: virStorageVolCreateFlags. ``source``: the pool and name of a volume to copy, if any."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    pool: str
    xml: str
    flags: int = 0
    source: tuple[str, str] | None = None


class DeleteVolume(Request[None], frozen=True):
    """Its data is gone when this replies; ``zeroed``: overwritten before that."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    pool: str
    name: str
    zeroed: bool = False


class ResizeVolume(Request[None], frozen=True):
    """``capacity`` in bytes; ``flags``: virStorageVolResizeFlags."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    pool: str
    name: str
    capacity: int
    flags: int = 0


class WipeVolume(Request[None], frozen=True):
    """Overwrite it; ``algorithm``: virStorageVolWipeAlgorithm."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    pool: str
    name: str
    algorithm: int = 0


class LookAtVolume(Request[None], frozen=True):
    """Its row as the file is now."""

    safe = True
    pool: str
    name: str


class Transfer(Request[str], frozen=True):
    """Begin an upload or a download; replies the job's id. ``token`` stands for the end of a pipe.

    ``length`` 0 is all there is; both in bytes. ``sparse``: with holes, see ``backend.frames``.
    """

    pool: str
    name: str
    token: Token
    offset: int
    length: int
    upload: bool
    sparse: bool = False


class Await(Request[None], frozen=True):
    """Replies at the end of a job, with its error if it has one."""

    seconds: ClassVar[float | None] = LONG
    safe = True
    job: str


class FindSources(Request[str], frozen=True):
    """Replies the XML of what pools of a kind could be made of; ``source``: where to look, as XML, or ""."""

    safe = True
    seconds: ClassVar[float | None] = LONG
    pool_type: str
    source: str


class PoolLifecycle(Event, frozen=True):
    """``event``: virStoragePoolEventLifecycleType."""

    uuid: str
    name: str
    event: int
    detail: int = 0


class PoolRefreshed(Event, frozen=True):
    """Its volumes were looked at, or one of them changed."""

    uuid: str
    name: str


class JobProgress(Event, frozen=True):
    """How far long work has come, in bytes; at most some times a second, and not for what is short."""

    id: str
    what: str
    pool: str
    volume: str
    done: int
    total: int


class JobEnded(Event, frozen=True):
    """``error`` is empty for what was done."""

    id: str
    what: str
    pool: str
    volume: str
    error: str = ""
