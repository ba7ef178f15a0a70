"""What a QEMU binary can do; ``backend.probe`` asks it."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """A machine type. ``default_ram_id`` is the memory backend's id that keeps migration compatible."""

    name: str
    alias: str | None
    default_ram_id: str | None
    max_cpus: int
    deprecated: bool
    default: bool = False


class Capabilities(msgspec.Struct, frozen=True):
    """What ``binary`` (its real path) can do. ``aliases`` maps a machine's alias to its name.

    ``devices`` and ``objects`` are what ``-device`` and ``-object`` take, ``commands`` QMP's, ``kvm``
    whether this host's KVM works with it.
    """

    binary: str
    version: tuple[int, int, int]
    arch: str
    machines: dict[str, Machine]
    aliases: dict[str, str]
    devices: frozenset[str]
    objects: frozenset[str]
    commands: frozenset[str]
    kvm: bool
