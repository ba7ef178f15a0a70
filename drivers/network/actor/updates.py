"""Changes of one section of a network, of its definition and as it is active."""

from __future__ import annotations

from embervirt.actors.actor import handles
from embervirt.drivers.network import messages
from embervirt.drivers.network.actor.filters import Filters
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.states import impact
from embervirt.drivers.network.tables import NetworkRow
from embervirt.drivers.network.updating import updated


class Updates(Filters):
    """All of a request is computed, and so refused, before any of it is done."""

    @handles(messages.Update)
    def update(self, request: messages.Update) -> None:
        """It is so, and durable where it is of the definition, when this replies."""
        row = self._networks.find(request.uuid)
        live, config = impact(row, request.flags)
        change = request.command, request.section, request.parent, request.xml
        active = updated(row.network, *change) if live else None
        defined = updated(row.defined, *change) if config and row.defined is not None else None
        if active is not None:
            row = self._change_live(row, active)
        if defined is not None:
            self._networks.redefine(row, defined)
        self.publish(messages.NetworkChanged(row.uuid, row.name, request.section, live, config))

    def _change_live(self, row: NetworkRow, network: Network) -> NetworkRow:
        before = self._records[row.uuid]
        record = self._running.change(before, network)
        self._records[row.uuid] = record
        if record.server != before.server:
            self.watch_server(record)
        return self._networks.changed(row, network)
