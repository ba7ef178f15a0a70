"""Filters, as the actor keeps them: defined and forgotten, and given anew to the guests that have them."""

from __future__ import annotations

from embervirt.actors.actor import handles
from embervirt.drivers.network import messages
from embervirt.drivers.network.actor.ports import Ports
from embervirt.drivers.network.nwfilter.errors import FilterInUse, FilterUnsupported, NoFilter
from embervirt.drivers.network.nwfilter.model import Filter
from embervirt.drivers.network.nwfilter.reading import read_filter, read_reference
from embervirt.drivers.network.nwfilter.store import FilterStore, check, included
from embervirt.drivers.network.tables import PortRow
from embervirt.errors import libvirtError


class Filters(Ports):
    """A filter that changes is given to running guests at once, or not defined."""

    def load_filters(self) -> None:
        """Publish what there is."""
        self._filters = FilterStore(self._face.paths.path / "etc/nwfilter", self.context.fence)
        self._face.tables.filters.replace(self.context.fence, self._filters.load())

    @handles(messages.DefineFilter)
    def define_filter(self, request: messages.DefineFilter) -> messages.FilterName:
        """Durable, and in force, when this replies."""
        made = read_filter(request.xml)
        rows = self._face.tables.filters
        check(made, {row.uuid: row for row in rows.values()})
        before = rows.get(str(made.uuid))
        row = self._filters.keep(made)
        try:
            self._give_anew(made.name)
        except libvirtError:
            if before is not None and before.own:
                self._filters.keep(before.filter)
            else:
                self._filters.forget(made.name)
            self._give_anew(made.name)
            raise
        rows.put(self.context.fence, row.uuid, row)
        return messages.FilterName(row.uuid, row.name)

    @handles(messages.UndefineFilter)
    def undefine_filter(self, request: messages.UndefineFilter) -> None:
        """Refused for one that a guest has, and for a built-in one."""
        row = self._face.tables.filters.get(request.uuid)
        if row is None:
            raise NoFilter(f"no nwfilter with matching uuid '{request.uuid}'")
        if not row.own:
            raise FilterUnsupported(f"filter '{row.name}' is built in; only a filter that was defined can go")
        users = [each.tap for each in self._users(row.name)]
        if users:
            raise FilterInUse(f"nwfilter is in use: '{row.name}' by {', '.join(users)}")
        self._filters.forget(row.name)
        self._face.tables.filters.replace(self.context.fence, self._filters.load())

    def _users(self, name: str) -> list[PortRow]:
        """Ports that have it, or one that includes it."""
        named = {row.name: row.filter for row in self._face.tables.filters.values()}
        return [row for row in self._face.tables.ports.values() if name in _names(row, named)]

    def _give_anew(self, name: str) -> None:
        for row in self._users(name):
            self._switch.ensure_port(self._planned(row))


def _names(row: PortRow, named: dict[str, Filter]) -> set[str]:
    if not row.filterref:
        return set()
    first = read_reference(row.filterref).filter
    return {first} | (included(named[first], named) if first in named else set())
