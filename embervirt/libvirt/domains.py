"""The connection's domain calls: definitions, starts, look-ups, lists and events."""

from __future__ import annotations

from functools import partial

from embervirt.drivers.qemu import filters
from embervirt.drivers.qemu.errors import NoDomain
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import Create, Define
from embervirt.drivers.qemu.service import beside
from embervirt.drivers.qemu.service.native import to_native
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.domain import START_AUTODESTROY, START_VALIDATE, TRANSIENT_STARTS, destroyer, virDomain
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text

VALIDATE = 1
METADATA_CHANGE = 23


class DomainCalls(Connection):
    """The part of ``virConnect`` that concerns domains."""

    @property
    def _qemu(self) -> Face:
        face: Face = self._face("qemu")
        return face

    def _domain(self, name: str, uuid: str) -> virDomain:
        return virDomain(self, self._qemu, name, uuid)

    def defineXML(self, xml: str) -> virDomain:
        """Keep a definition; durable when this returns."""
        return self.defineXMLFlags(xml, 0)

    def defineXMLFlags(self, xml: str, flags: int = 0) -> virDomain:
        """With ``VALIDATE`` (1), elements that nobody knows are an error."""
        only(flags, VALIDATE, "defineXMLFlags")
        self._check_writable("virDomainDefineXML")
        face = self._qemu  # after the call the connection may be closed; it has happened all the same
        domain, text = face.read(xml, strict=bool(flags & VALIDATE))
        self.root.call("qemu", Define(domain.name, domain.uuid, text))
        return virDomain(self, face, domain.name, domain.uuid)

    def createXML(self, xmlDesc: str, flags: int = 0) -> virDomain:
        """Start a domain that is gone once it ends, or one that is defined with other details.

        ``flags``: paused (1), until this connection closes (2), with what nobody knows refused (16), with its
        UEFI's variables reset (32).
        """
        only(flags, TRANSIENT_STARTS, "createXML")
        self._check_writable("virDomainCreateXML")
        face = self._qemu
        domain, text = face.read(xmlDesc, strict=bool(flags & START_VALIDATE))
        ref = self.root.call("qemu", Create(domain.uuid, flags, domain.name, text))
        if flags & START_AUTODESTROY:
            self._before_close.callback(destroyer(face, ref))
        return virDomain(self, face, ref.name, ref.uuid)

    def domainXMLToNative(self, nativeFormat: str, domainXml: str, flags: int = 0) -> str:
        """The command line, for a shell, that a domain of this XML would be started with (``qemu-argv``)."""
        only(flags, 0, "domainXMLToNative")
        self._check_writable("virConnectDomainXMLToNative")
        return to_native(self._qemu, nativeFormat, domainXml)

    def createLinux(self, xmlDesc: str, flags: int = 0) -> virDomain:
        """libvirt's old name of ``createXML``."""
        return self.createXML(xmlDesc, flags)

    def lookupByName(self, name: str) -> virDomain:
        """Raises NoDomain."""
        uuid = self._qemu.tables.uuid_of(name)
        if uuid is None:
            raise NoDomain(f"no domain with matching name '{name}'")
        return self._domain(name, uuid)

    def lookupByUUIDString(self, uuidstr: str) -> virDomain:
        """Raises InvalidArgument, NoDomain."""
        return self._by_uuid(uuid_from_string(uuidstr))

    def lookupByUUID(self, uuid: bytes) -> virDomain:
        """16 bytes. Raises NoDomain."""
        return self._by_uuid(uuid_text(uuid))

    def _by_uuid(self, uuid: str) -> virDomain:
        name = self._qemu.tables.name_of(uuid)
        if name is None:
            raise NoDomain(f"no domain with matching uuid '{uuid}'")
        return self._domain(name, uuid)

    def lookupByID(self, id: int) -> virDomain:
        """A running one. Raises NoDomain."""
        for row in self._qemu.tables.running.values():
            if row.id == id:
                return self._domain(row.name, row.uuid)
        raise NoDomain(f"no domain with matching id {id}")

    def listAllDomains(self, flags: int = 0) -> list[virDomain]:
        """Those that match ``virConnectListAllDomainsFlags``; running ones first."""
        only(flags, 0xFFFF, "listAllDomains")
        tables = self._qemu.tables
        files = partial(beside.traits, self._qemu.paths)
        found = filters.select(tables.definitions.values(), tables.running.values(), flags, files)
        return [self._domain(name, uuid) for name, uuid in found]

    def listDomainsID(self) -> list[int]:
        """Ids of the running ones."""
        return sorted(row.id for row in self._qemu.tables.running.values())

    def listDefinedDomains(self) -> list[str]:
        """Names of those that are defined and do not run."""
        return [domain.name() for domain in self.listAllDomains(filters.INACTIVE)]

    def numOfDomains(self) -> int:
        """How many run."""
        return len(self.listDomainsID())

    def numOfDefinedDomains(self) -> int:
        """How many are defined and do not run."""
        return len(self.listDefinedDomains())
