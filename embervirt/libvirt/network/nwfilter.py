"""``virNWFilter``: a handle on one network filter by UUID, and the connection's calls for filters."""

from __future__ import annotations

from embervirt.drivers.network import messages
from embervirt.drivers.network.nwfilter.errors import NoFilter
from embervirt.drivers.network.nwfilter.reading import read_filter
from embervirt.drivers.network.nwfilter.store import FilterRow
from embervirt.drivers.xml import render
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.named import Named
from embervirt.libvirt.network.base import NetworkConnection


class virNWFilter(Named):
    """Made by look-ups and by defining; any thread may use it."""

    _conn: FilterCalls

    def __init__(self, conn: FilterCalls, uuid: str, name: str) -> None:
        self._conn, self._uuid, self._name = conn, uuid, name

    def XMLDesc(self, flags: int = 0) -> str:
        """As it is; there are no flags. Raises NoFilter."""
        only(flags, 0, "XMLDesc")
        return render(self._conn._filter_row(self._uuid).filter)

    def undefine(self) -> int:
        """Forget it. Raises NoFilter, FilterInUse, FilterUnsupported for a built-in one."""
        self._conn._ask_network("virNWFilterUndefine", messages.UndefineFilter(self._uuid))
        return 0


class FilterCalls(NetworkConnection):
    """The part of ``virConnect`` that concerns network filters."""

    def _filter_rows(self) -> list[FilterRow]:
        return sorted(self._network_driver.tables.filters.values(), key=lambda row: row.name)

    def _filter_row(self, uuid: str) -> FilterRow:
        """Raises NoFilter."""
        row = self._network_driver.tables.filters.get(uuid)
        if row is None:
            raise NoFilter(f"no nwfilter with matching uuid '{uuid}'")
        return row

    def nwfilterDefineXML(self, xmlDesc: str) -> virNWFilter:
        """Keep a filter, durably; guests that have it get it at once."""
        return self.nwfilterDefineXMLFlags(xmlDesc)

    def nwfilterDefineXMLFlags(self, xmlDesc: str, flags: int = 0) -> virNWFilter:
        """The same; VALIDATE (1) refuses what nobody knows."""
        only(flags, 1, "nwfilterDefineXMLFlags")
        self._check_writable("virNWFilterDefineXML")
        text = render(read_filter(xmlDesc, strict=bool(flags & 1)))
        made = self._ask_network("virNWFilterDefineXML", messages.DefineFilter(text))
        return virNWFilter(self, made.uuid, made.name)

    def nwfilterLookupByName(self, name: str) -> virNWFilter:
        """Raises NoFilter."""
        for row in self._filter_rows():
            if row.name == name:
                return virNWFilter(self, row.uuid, row.name)
        raise NoFilter(f"no nwfilter with matching name '{name}'")

    def nwfilterLookupByUUIDString(self, uuidstr: str) -> virNWFilter:
        """Raises InvalidArgument, NoFilter."""
        row = self._filter_row(uuid_from_string(uuidstr))
        return virNWFilter(self, row.uuid, row.name)

    def nwfilterLookupByUUID(self, uuid: bytes) -> virNWFilter:
        """16 bytes. Raises NoFilter."""
        row = self._filter_row(uuid_text(uuid))
        return virNWFilter(self, row.uuid, row.name)

    def listAllNWFilters(self, flags: int = 0) -> list[virNWFilter]:
        """All, the built-in ones among them; there are no flags."""
        only(flags, 0, "listAllNWFilters")
        return [virNWFilter(self, row.uuid, row.name) for row in self._filter_rows()]

    def listNWFilters(self) -> list[str]:
        """Their names."""
        return [row.name for row in self._filter_rows()]

    def numOfNWFilters(self) -> int:
        """How many there are."""
        return len(self._filter_rows())
