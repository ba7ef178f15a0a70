"""Where the storage of a pool comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embervirt.drivers.storage.errors import StorageInternal, StorageUnsupported, StorageXml
from embervirt.drivers.xml import Codec, Element, attr, child, children, choice, hexadecimal, integer, text
from embervirt.drivers.xml.codecs import Switch, Uuid

_WWN = re.compile("(?:0x)?([0-9a-fA-F]{16})")
_yes_no = Switch("yes", "no", StorageXml)


@dataclass(frozen=True)
class Wwn(Codec[str]):
    """A world wide name, kept as it is given."""

    error: type[StorageInternal] = StorageInternal

    @property
    def accepts(self) -> str:
        return "a WWN of 16 hexadecimal digits (else: Malformed wwn)"

    def decode(self, text: str) -> str:
        if not _WWN.fullmatch(text):
            raise ValueError(text)
        return text

    def encode(self, value: str) -> str:
        return value


class Named(Element, tag="named"):
    """An element with a name."""

    name: str | None = attr("name", default=None)


class Host(Element, tag="host"):
    """A server."""

    name: str | None = attr("name", default=None)
    port: int | None = attr("port", integer(-(2**31), 2**31 - 1), default=None)


class FreeExtent(Element, tag="freeExtent"):
    """Bytes of a disk that belong to no partition; libvirt tells them, and ignores them when it is told."""

    start: int = attr("start", integer())
    end: int = attr("end", integer())


class Device(Element, tag="device"):
    """A block device, or the name of an iSCSI target."""

    path: str | None = attr("path", default=None)
    part_separator: bool | None = attr("part_separator", _yes_no, default=None)
    free_extents: tuple[FreeExtent, ...] = children(FreeExtent, default=())


class Dir(Element, tag="dir"):
    """A directory that a server exports."""

    path: str | None = attr("path", default=None)


class PciAddress(Element, tag="address"):
    """Of the host adapter a SCSI bus hangs on."""

    domain: int = attr("domain", hexadecimal(0xFFFF, 4), default=0)
    bus: int = attr("bus", hexadecimal(0xFF, 2), default=0)
    slot: int = attr("slot", hexadecimal(0x1F, 2), default=0)
    function: int = attr("function", hexadecimal(7), default=0)


class ParentAddress(Element, tag="parentaddr"):
    """A SCSI host by where its adapter is."""

    unique_id: int | None = attr("unique_id", integer(0, 2**31 - 1), default=None)
    address: PciAddress | None = child(PciAddress, default=None)


class Adapter(Element, tag="adapter"):
    """A SCSI or Fibre Channel host adapter."""

    type: str | None = attr("type", choice("scsi_host", "fc_host", error=StorageXml), default=None)
    name: str | None = attr("name", default=None)
    parent: str | None = attr("parent", default=None)
    parent_wwnn: str | None = attr("parent_wwnn", Wwn(), default=None)
    parent_wwpn: str | None = attr("parent_wwpn", Wwn(), default=None)
    parent_fabric_wwn: str | None = attr("parent_fabric_wwn", Wwn(), default=None)
    managed: bool | None = attr("managed", _yes_no, default=None)
    wwnn: str | None = attr("wwnn", Wwn(), default=None)
    wwpn: str | None = attr("wwpn", Wwn(), default=None)
    parent_address: ParentAddress | None = child(ParentAddress, default=None)


class Initiator(Element, tag="initiator"):
    """Under which name an iSCSI target is used."""

    iqn: Named | None = child(Named, "iqn", default=None)


class Format(Element, tag="format"):
    """The type of a file system, label or image; which words there are depends on the kind of pool."""

    type: str | None = attr("type", default=None)


class AuthSecret(Element, tag="secret"):
    """Which secret has the password."""

    type: str | None = attr("type", default=None)
    usage: str | None = attr("usage", default=None)
    uuid: str | None = attr("uuid", Uuid(StorageXml), default=None)


class Auth(Element, tag="auth"):
    """How the server is shown who asks."""

    type: str | None = attr("type", choice("chap", "ceph", error=StorageUnsupported), default=None)
    username: str | None = attr("username", default=None)
    secret: AuthSecret | None = child(AuthSecret, default=None)


class Protocol(Element, tag="protocol"):
    """The version of NFS."""

    ver: str | None = attr("ver", default=None)


class Source(Element, tag="source"):
    """Which of these a pool has is its kind's: see ``kinds``."""

    hosts: tuple[Host, ...] = children(Host, default=())
    devices: tuple[Device, ...] = children(Device, default=())
    dir: Dir | None = child(Dir, default=None)
    adapter: Adapter | None = child(Adapter, default=None)
    name: str | None = text("name", default=None)
    initiator: Initiator | None = child(Initiator, default=None)
    format: Format | None = child(Format, default=None)
    auth: Auth | None = child(Auth, default=None)
    protocol: Protocol | None = child(Protocol, default=None)
    vendor: Named | None = child(Named, "vendor", default=None)
    product: Named | None = child(Named, "product", default=None)


class Sources(Element, tag="sources"):
    """What pools could be made of."""

    sources: tuple[Source, ...] = children(Source, default=())
