"""The operations on definitions, and what is published of networks: on disk first, then published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from embervirt.actors.fence import Fence
from embervirt.drivers.network import names
from embervirt.drivers.network.errors import NetworkInvalid
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.postparse import placed
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.states import (
    check_autostart,
    check_start,
    check_undefine,
    no_network,
)
from embervirt.drivers.network.store import Record, Store
from embervirt.drivers.network.tables import NetworkRow, Tables
from embervirt.drivers.network.validate.conflicts import check_conflicts
from embervirt.drivers.xml import render
from embervirt.drivers.xml import replace as with_

Exists = Callable[[str], bool]
"""Whether this host has a link of that name."""


class Networks:
    """All networks of one root. ``fence``: of the generation at work."""

    def __init__(self, store: Store, tables: Tables, fence: Fence, hash8: str, exists: Exists) -> None:
        self._store, self._tables, self._fence = store, tables, fence
        self._hash8, self._exists = hash8, exists

    def find(self, uuid: str) -> NetworkRow:
        """Raises NoNetwork."""
        row = self._tables.networks.get(uuid)
        if row is None:
            raise no_network(uuid)
        return row

    def named(self, name: str) -> NetworkRow | None:
        """The network of that name, if there is one."""
        return next((row for row in self._tables.networks.values() if row.name == name), None)

    def put(self, row: NetworkRow) -> NetworkRow:
        """Publish it."""
        self._tables.networks.put(self._fence, row.uuid, row)
        return row

    # What is there when the driver starts.

    def load(self, active: Iterable[Record]) -> None:
        """Publish what is defined and what is active, at once: a reader never misses what is there."""
        rows: dict[str, NetworkRow] = {}
        autostarting = self._store.autostarting()
        for network in self._store.definitions():
            row = new_row(network, defined=True)
            rows[row.uuid] = replace(row, autostart=row.name in autostarting)
        for record in active:
            network = read_network(record.xml)
            row = rows.get(record.uuid) or new_row(network, defined=False)
            rows[record.uuid] = replace(row, network=network, active=True, bridge=record.bridge)
        self._tables.networks.replace(self._fence, rows)

    # Definitions.

    def define(self, network: Network) -> NetworkRow:
        """New, or in place of the one with its UUID. Raises NetworkConflict, NetworkInternal."""
        network = self._placed(network)
        self._check_names(network)
        row = new_row(network, defined=True)
        known = self._tables.networks.get(row.uuid)
        self._store.define(row.name, render(network))
        if known is not None:
            row = replace(known, defined=network, network=known.network if known.active else network)
        return self.put(row)

    def undefine(self, uuid: str) -> NetworkRow:
        """An active one goes on without a definition. Raises NoNetwork, NetworkInvalid."""
        row = self.find(uuid)
        check_undefine(row)
        self._store.undefine(row.name)
        if row.active:
            return self.put(replace(row, defined=None, autostart=False))
        self._tables.networks.drop(self._fence, uuid)
        return row

    def redefine(self, row: NetworkRow, network: Network) -> NetworkRow:
        """A section of the definition has changed."""
        self._store.define(row.name, render(network))
        return self.put(replace(row, defined=network, network=row.network if row.active else network))

    def set_autostart(self, uuid: str, on: bool) -> None:
        """Raises NoNetwork, NetworkInvalid for one that is not defined."""
        row = self.find(uuid)
        check_autostart(row)
        self._store.set_autostart(row.name, on)
        self.put(replace(row, autostart=on))

    # Active or not.

    def beginning(self, uuid: str) -> NetworkRow:
        """A network as its start finds it. Raises NoNetwork, NetworkInvalid when it is active."""
        row = self.find(uuid)
        check_start(row)
        return row

    def transient(self, network: Network) -> NetworkRow:
        """One that is to be started without a definition, or beside the one of its UUID."""
        known = self._tables.networks.get(str(network.uuid))
        if known is not None and known.name == network.name and known.active:
            raise NetworkInvalid(f"network is already active as '{known.name}'")
        network = self._placed(network)
        self._check_names(network)
        return new_row(network, defined=False) if known is None else replace(known, network=network)

    def activated(self, row: NetworkRow, bridge: str) -> NetworkRow:
        """It was started."""
        return self.put(replace(row, active=True, bridge=bridge))

    def changed(self, row: NetworkRow, network: Network) -> NetworkRow:
        """An active one is another now."""
        return self.put(replace(row, network=network))

    def deactivated(self, row: NetworkRow) -> NetworkRow:
        """It was stopped: without a definition there is nothing left of it."""
        if row.defined is None:
            self._tables.networks.drop(self._fence, row.uuid)
            return row
        return self.put(replace(row, active=False, bridge="", network=row.defined, problems=()))

    def problem(self, uuid: str, what: str, why: str) -> NetworkRow | None:
        """Show what does not work, or with an empty ``why`` that it does; None when nothing changes."""
        row = self._tables.networks.get(uuid)
        if row is None:
            return None
        problems = {name: text for name, text in row.problems if name != what}
        if why:
            problems[what] = why
        if tuple(problems.items()) == row.problems:
            return None
        return self.put(replace(row, problems=tuple(problems.items())))

    # Names.

    def _check_names(self, network: Network) -> None:
        """Raises NetworkConflict, NetworkInternal."""
        rows = self._tables.networks.values()
        both = (each for row in rows for each in (row.network, row.defined) if each is not None)
        check_conflicts(network, both)

    def _placed(self, network: Network) -> Network:
        """With a name and an address for the bridge that is to be made, where the XML says none."""
        known = self._tables.networks.get(str(network.uuid))
        if known is not None and network.own_bridge:
            network = _as_before(network, known.defined or known.network)
        rows = self._tables.networks.values()
        macs = {row.network.mac.address for row in rows if row.network.mac is not None}
        return placed(network, self._bridge(network), macs)

    def _bridge(self, network: Network) -> str:
        name = network.bridge_name
        if not network.own_bridge or (name and "%d" not in name):
            return name
        taken = _Taken(self._tables, self._exists)
        return names.templated(name, taken) if name else names.bridge(self._hash8, taken)


def _as_before(network: Network, known: Network) -> Network:
    """A redefinition that names neither keeps the bridge's name and address."""
    bridge, before = network.bridge, known.bridge
    if bridge is not None and not bridge.name and before is not None:
        network = with_(network, bridge=with_(bridge, name=before.name))
    return network if network.mac else with_(network, mac=known.mac)


class _Taken:
    """Bridges that networks have, and links of the host."""

    def __init__(self, tables: Tables, exists: Exists) -> None:
        self._names = {name for row in tables.networks.values() for name in bridges_of(row)}
        self._exists = exists

    def __contains__(self, name: object) -> bool:
        return name in self._names or self._exists(str(name))


def bridges_of(row: NetworkRow) -> set[str]:
    """Names of bridges that a network makes, or would."""
    made = (each for each in (row.network, row.defined) if each is not None and each.own_bridge)
    return {each.bridge_name for each in made} - {""}


def new_row(network: Network, *, defined: bool) -> NetworkRow:
    """Of a complete network."""
    return NetworkRow(str(network.uuid), str(network.name), network, network if defined else None)
