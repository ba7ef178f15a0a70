"""The network driver's contract. Networks go by UUID, ports by a UUID of their own."""

from __future__ import annotations

from typing import ClassVar, Literal

from embervirt.actors.handover import Token
from embervirt.actors.messages import Event, Message, Request

STARTING = 60.0
"""Seconds that a start or stop may take; it needs some tens of milliseconds."""

Type = Literal["network", "bridge", "direct", "ethernet"]
"""What a guest's interface is plugged into: its ``type`` in the domain's XML."""


class NetworkRef(Message, frozen=True):
    """Which network."""

    uuid: str
    name: str


class Define(Request[NetworkRef], frozen=True):
    """Keep a network, complete XML as rendered from the parsed model."""

    safe = True
    uuid: str
    xml: str


class Undefine(Request[None], frozen=True):
    """Forget its definition; an active one goes on without."""

    safe = True
    uuid: str


class SetAutostart(Request[None], frozen=True):
    """Whether it starts with the driver."""

    safe = True
    uuid: str
    on: bool


class CreateNetwork(Request[NetworkRef], frozen=True):
    """Start a network that is not defined."""

    safe = True
    seconds: ClassVar[float | None] = STARTING
    uuid: str
    xml: str


class Start(Request[None], frozen=True):
    """Start a defined network."""

    safe = True
    seconds: ClassVar[float | None] = STARTING
    uuid: str


class Stop(Request[None], frozen=True):
    """Nothing of it is left on the host when this replies."""

    safe = True
    seconds: ClassVar[float | None] = STARTING
    uuid: str


class Update(Request[None], frozen=True):
    """Change one section; numbers are virNetworkUpdateCommand, -Section and -Flags.

    ``xml`` is the section's element; ``parent``: which of several, -1 for any.
    """

    seconds: ClassVar[float | None] = STARTING
    uuid: str
    command: int
    section: int
    parent: int
    xml: str
    flags: int = 0


class Lease(Message, frozen=True):
    """A DHCP lease. ``expiry``: Unix time in seconds, 0 for ever; ``type``: virIPAddrType."""

    interface: str
    expiry: int
    type: int
    mac: str
    address: str
    prefix: int
    iaid: str | None = None
    hostname: str | None = None
    client_id: str | None = None


class FindLeases(Request[list[Lease]], frozen=True):
    """Of a network by its name, and of one guest's interface there. None when there is no such network."""

    safe = True
    network: str
    mac: str


class CreatePort(Request[str], frozen=True):
    """A port described by ``<networkport>``; replies its UUID. ``flags``: virNetworkPortCreateFlags.

    No tap is made: who describes a port makes that himself. For a guest's, see ``Plug``.
    """

    network: str
    xml: str
    flags: int = 0


class DeletePort(Request[None], frozen=True):
    """No longer counted; what was set on its tap goes."""

    safe = True
    network: str
    port: str


class SetPortParameters(Request[None], frozen=True):
    """``values``: by libvirt's names, ``inbound.average`` and so on, as kilobytes."""

    safe = True
    network: str
    port: str
    values: dict[str, int]


# Filters.


class FilterName(Message, frozen=True):
    """Which filter."""

    uuid: str
    name: str


class DefineFilter(Request[FilterName], frozen=True):
    """Keep a network filter, complete XML as rendered from the parsed model."""

    safe = True
    seconds: ClassVar[float | None] = STARTING
    xml: str


class UndefineFilter(Request[None], frozen=True):
    """Forget a filter that no guest has."""

    safe = True
    uuid: str


# Guests' interfaces.


class Owner(Message, frozen=True):
    """A guest in one of its runs. ``run`` tells one run from the next: any text that is never used twice."""

    uuid: str
    name: str
    run: str


class Port(Message, frozen=True):
    """Where a guest's interface was plugged in.

    ``id``: the port's UUID. ``type`` says what the descriptors are that ``token`` stands for, a list of as
    many as there are queues: of ``tap`` (/dev/net/tun), of ``macvtap`` (/dev/tapN). ``dgram`` has none:
    datagrams go from the socket ``local`` to the socket ``remote``. ``tap``: name of the link on this host,
    as the domain's XML shows it in ``target``; ``bridge``: that it is joined to, or empty; ``link``: of a
    macvtap, the link below it. ``vnet_hdr``: frames have QEMU's header before them.
    """

    id: str
    type: Literal["tap", "macvtap", "dgram"]
    tap: str
    bridge: str
    mtu: int
    token: Token = Token("")
    link: str = ""
    mode: str = ""
    queues: int = 1
    vnet_hdr: bool = True
    local: str = ""
    remote: str = ""


class Plug(Request[Port], frozen=True):
    """Plug a guest's interface in. May be repeated: who asks again for a run's card gets its port again.

    ``card``: its name in the guest, for a guest may have several cards with one MAC address.
    ``source``: by ``type`` a network's name, a bridge, the link below a macvtap, empty for ethernet.
    ``mode``: of a macvtap, ``vepa``, ``bridge``, ``private`` or ``passthrough``. ``target``: the wanted name
    of the tap, empty for one of ours. ``managed``: False for an ethernet whose tap is there already. ``mtu``:
    0 for the bridge's. The XML texts are elements of an ``<interface>`` as the domain has them, or empty.
    Descriptors are the caller's to close.

    Raises NoNetwork, NetworkInvalid for one that is not active, NetworkUnsupported for what the host or this
    kind of network cannot do, NetworkSystemError.
    """

    safe = True
    owner: Owner
    mac: str
    type: Type
    source: str = ""
    mode: str = ""
    portgroup: str = ""
    target: str = ""
    managed: bool = True
    mtu: int = 0
    queues: int = 1
    vnet_hdr: bool = True
    link_up: bool = True
    isolated: bool = False
    trust_guest_rx_filters: bool = False
    bandwidth: str = ""
    vlan: str = ""
    virtualport: str = ""
    filterref: str = ""
    card: str = ""


class Unplug(Request[None], frozen=True):
    """Of a port by its id; no error when it is gone."""

    safe = True
    port: str


class UpdatePort(Request[None], frozen=True):
    """Change what a port is like while a guest uses it. None leaves it; an empty text takes it away.

    Raises NoPort.
    """

    safe = True
    port: str
    link_up: bool | None = None
    bandwidth: str | None = None
    filterref: str | None = None
    vlan: str | None = None
    isolated: bool | None = None


class NetworkLifecycle(Event, frozen=True):
    """``event``: virNetworkEventLifecycleType."""

    uuid: str
    name: str
    event: int
    detail: int = 0


class NetworkChanged(Event, frozen=True):
    """A section of it was changed, of the live network, the definition, or both."""

    uuid: str
    name: str
    section: int
    live: bool
    config: bool


class PortPlugged(Event, frozen=True):
    """A port of a network (or, without ``network``, of a bridge or link) came."""

    network: str
    port: str
    owner: str
    mac: str
    tap: str


class PortUnplugged(Event, frozen=True):
    """It went; ``why`` is empty when somebody asked for it."""

    network: str
    port: str
    owner: str
    mac: str
    tap: str
    why: str = ""


class NetworkDegraded(Event, frozen=True):
    """Something of an active network does not work, ``what`` (dnsmasq, say), for ``why``."""

    uuid: str
    name: str
    what: str
    why: str


class NetworkRecovered(Event, frozen=True):
    """It works again."""

    uuid: str
    name: str
    what: str
