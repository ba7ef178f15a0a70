"""What the driver asks of what joins guests: a bridge of the host, or a switch that needs no privilege."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Protocol

from embervirt.drivers.network.backend.links import BridgeWish, Shape
from embervirt.drivers.network.backend.server import Server
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.store import Record
from embervirt.drivers.network.tables import PortRow

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Way:
    """A route: what is behind ``gateway``."""

    subnet: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    metric: int


@dataclass(frozen=True)
class Plan:
    """A network as it is to be on this host; pure.

    ``bridge``: to be made, None for one that the host has, or none; ``joined``: that guests join, or empty.
    ``forwards``: versions of IP to forward. ``firewall``: of the first of ``tables``, in nft's words.
    ``server`` with the content of its ``files``. ``shape``: what the bridge may send to the guests;
    ``police``: KiB a second, and at once, that may come from them; None without a limit.
    """

    network: Network
    bridge: BridgeWish | None
    joined: str
    addresses: tuple[Interface, ...] = ()
    routes: tuple[Way, ...] = ()
    forwards: tuple[int, ...] = ()
    firewall: str = ""
    tables: tuple[tuple[str, str], ...] = ()
    server: Server | None = None
    files: Mapping[Path, str] = field(default_factory=dict)
    shape: Shape | None = None
    police: tuple[int, int] | None = None

    @property
    def ipv6(self) -> bool:
        """Whether the bridge has an address of it."""
        return any(each.version == 6 for each in self.addresses)


@dataclass(frozen=True)
class PortPlan:
    """A guest's interface as it is to be; pure. ``row`` is what is published of it.

    ``vlans``: (id, whether untagged), none for all as they come. ``filter``: nftables of the guest's filter,
    empty for none, None for whatever it has.
    """

    row: PortRow
    vlans: tuple[tuple[int, bool], ...] = ()
    shape: Shape | None = None
    police: tuple[int, int] | None = None
    filter: str | None = ""


class Switch(Protocol):
    """All calls take some tens of milliseconds at most, may be repeated, and raise errors of the tree.

    ``server``: what serves its networks, as people call it.
    """

    server: str

    def check(self, plan: Plan) -> None:
        """Before a start: what of it this host has not, or others have. Raises libvirt's errors."""

    def ensuring(self, plan: Plan, *, new: bool) -> AbstractContextManager[None]:
        """Links are there within the ``with``, all but the server at its end; ``new``: nothing of it was."""

    def rule(self, plans: Iterable[Plan]) -> None:
        """Of networks that are up: their rules are as they are to be. Many take as long as one."""

    def remove(self, record: Record) -> None:
        """Nothing of it is left, but the server's; what was not made here stays."""

    def plug(self, plan: PortPlan) -> tuple[PortRow, list[int]]:
        """A new tap, with its descriptors."""

    def ensure_port(self, plan: PortPlan) -> None:
        """A tap that is there has all that it is to have."""

    def unplug(self, row: PortRow, *, keep_tap: bool = False) -> None:
        """Nothing of it is left; no error when it is gone. One that was not made here stays.

        ``keep_tap``: but for the tap, which its guest goes on to have, joined to nothing.
        """

    def filtered(self) -> set[str]:
        """Names of taps whose filter is there."""

    def taken(self, name: str) -> bool:
        """Whether something on this host has that name of a link."""

    def gone(self, row: PortRow) -> bool:
        """Whether its tap is no longer there."""

    def abandoned(self, rows: Iterable[PortRow]) -> list[PortRow]:
        """Those of which the tap is there, and stays although nobody has it open any more."""
