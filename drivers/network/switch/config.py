"""The file of a switch: what is plugged in, and what its own host answers. JSON, written by the driver."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

ENDING = ".port"
"""Of the file of a port."""


class Port(Struct, frozen=True):
    """A guest's card. Datagrams, a frame each, come to the socket ``near`` and go to the socket ``far``.

    Both are names in the directory of ports. ``isolated``: it does not reach others that are. ``up``: frames
    pass.
    """

    id: str
    network: str
    mac: str
    near: str
    far: str
    isolated: bool = False
    up: bool = True


class Host(Struct, frozen=True):
    """Who always gets the same address, by MAC or by the DHCP client's name."""

    address: str
    mac: str = ""
    name: str = ""


class Config(Struct, frozen=True):
    """A switch. Without an ``address`` (``192.168.122.1/24``) it has no host of its own: frames only pass.

    ``ranges``: first and last address that DHCP gives, both counted; ``lease``: seconds, 0 for ever.
    ``names``: addresses by name; ``texts``: TXT records. ``answers``: whether it is a name server.
    ``leases``: the file of leases, in dnsmasq's form. ``ports``: the directory of all ports, of which those
    that name ``uuid`` are this network's. ``mtu``: bytes, told to guests, 0 for the usual 1500.
    ``boot``: a file's name and its server, for DHCP.
    """

    network: str
    mac: str
    leases: str
    ports: str
    uuid: str
    address: str = ""
    ranges: tuple[tuple[str, str], ...] = ()
    lease: int = 3600
    hosts: tuple[Host, ...] = ()
    domain: str = ""
    names: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}
    answers: bool = True
    mtu: int = 0
    boot: tuple[str, str] = ("", "")


def read(path: Path) -> Config:
    """Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Config)


def ports(config: Config) -> dict[str, Port]:
    """Those of its network, by id. Raises OSError, msgspec.DecodeError."""
    files = sorted(Path(config.ports).glob(f"*{ENDING}"))
    found = [msgspec.json.decode(path.read_bytes(), type=Port) for path in files]
    return {port.id: port for port in found if port.network == config.uuid}


def written(config: Config) -> bytes:
    """What ``read`` reads."""
    return msgspec.json.format(msgspec.json.encode(config))
