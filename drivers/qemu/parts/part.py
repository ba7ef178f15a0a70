"""What a QEMU is made of: typed parts, each of which renders for the command line and for QMP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Props = Mapping[str, Any]
"""Properties as QMP has them: JSON values."""


@dataclass(frozen=True)
class Option:
    """A thing of the command line only: ``-name guest=a``; ``value`` None for a bare ``-S``."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class Word:
    """A word of the command line that the user wrote, as it is."""

    text: str


@dataclass(frozen=True)
class MachineOptions:
    """``-machine``: the machine type and its properties."""

    type: str
    props: Mapping[str, str]


@dataclass(frozen=True)
class Object:
    """A user-creatable object of QEMU. ``props`` stay out of ``repr``: one kind of object is a secret."""

    type: str
    id: str
    props: Props = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Blockdev:
    """A node of the block graph; ``props`` have its ``node-name`` and ``driver``."""

    props: Props


@dataclass(frozen=True)
class Chardev:
    """A character backend; ``props`` are those of QMP's ``ChardevBackend`` data for it."""

    id: str
    backend: str
    props: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Netdev:
    """The host's side of a network card."""

    type: str
    id: str
    props: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Device:
    """What the guest sees. ``id`` None: QEMU needs none and it can never be unplugged."""

    driver: str
    id: str | None = None
    props: Props = field(default_factory=dict)


@dataclass(frozen=True)
class Audiodev:
    """Where sound goes; ``driver`` is QEMU's backend."""

    driver: str
    id: str
    props: Props = field(default_factory=dict)


@dataclass(frozen=True)
class WatchdogAction:
    """What QEMU does when a watchdog fires: one for all of them, QEMU's own is ``reset``."""

    action: str


Pluggable = Object | Blockdev | Chardev | Netdev | Device | WatchdogAction
"""Parts that a running QEMU takes as well."""

Part = Option | Word | MachineOptions | Audiodev | Pluggable
