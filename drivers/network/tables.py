"""What the network driver publishes and any thread reads: networks, and the ports on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from embervirt.actors.table import Table
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.nwfilter.store import FilterRow


@dataclass(frozen=True)
class NetworkRow:
    """A network. ``network``: as it is active, else as defined; ``defined``: what its next start begins with.

    A transient network has no ``defined``. ``bridge``: the link that guests join, of an active network that
    has one. ``problems``: what does not work although it is active, by what it is.
    """

    uuid: str
    name: str
    network: Network
    defined: Network | None
    active: bool = False
    autostart: bool = False
    bridge: str = ""
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def persistent(self) -> bool:
        """Whether it is defined on disk."""
        return self.defined is not None


class PortRow(Struct, frozen=True):
    """A port. ``network``: the UUID of the one that it is on, empty for a plain bridge, link or tap.

    ``owner`` is the domain's UUID, ``run`` one of its runs, empty for a port that was described and not
    plugged, ``card`` the guest's name for it. ``tap`` is the link on this host, ``link`` what a macvtap is
    on, ``index`` the link's number. ``xml``: the ``<networkport>``; ``known``: the bridge learns nothing
    about it by itself; ``made``: the tap was made here. ``bandwidth``, ``vlan``, ``filterref``: elements as
    they hold, or empty. ``uri``: of the libvirtd whose network it is, if that is none of the root's.
    """

    id: str
    network: str
    owner: str
    name: str
    run: str
    mac: str
    type: str
    xml: str
    tap: str = ""
    bridge: str = ""
    link: str = ""
    mode: str = ""
    index: int = 0
    mtu: int = 0
    queues: int = 1
    vnet_hdr: bool = True
    made: bool = True
    link_up: bool = True
    known: bool = False
    isolated: bool = False
    bandwidth: str = ""
    vlan: str = ""
    filterref: str = ""
    uri: str = ""
    card: str = ""


@dataclass
class Tables:
    """Networks by UUID, ports and filters by theirs."""

    networks: Table[str, NetworkRow] = field(default_factory=Table)
    ports: Table[str, PortRow] = field(default_factory=Table)
    filters: Table[str, FilterRow] = field(default_factory=Table)
