"""A guest's filter as rules of nftables. Filters are built in, or in ``etc/nwfilter`` as libvirt has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.network import names
from embervirt.drivers.network.nwfilter.builtin import builtin
from embervirt.drivers.network.nwfilter.model import Filter
from embervirt.drivers.network.nwfilter.nftables import ruleset
from embervirt.drivers.network.nwfilter.reading import read_filter, read_reference
from embervirt.drivers.network.nwfilter.tree import Interface, instantiate
from embervirt.drivers.network.tables import PortRow
from embervirt.drivers.root.files import read


@dataclass(frozen=True)
class Filtering:
    """``directory``: of filters that were defined; ``hash8``: of the root."""

    directory: Path
    hash8: str

    def lookup(self, name: str) -> Filter | None:
        """A filter by its name: one that was defined, else a built-in one."""
        if not name or "/" in name or name in (".", ".."):
            return None
        path = self.directory / f"{name}.xml"
        return read_filter(read(path)) if path.exists() else builtin(name)

    def rules(self, row: PortRow) -> tuple[str, tuple[tuple[str, str], ...]]:
        """For ``nft -f``, and what tables that is; nothing for a port without a filter.

        Raises the errors of filters.
        """
        if not row.filterref:
            return "", ()
        table = names.filter_table(self.hash8, row.tap)
        interface = Interface(row.tap, row.mac)
        found = instantiate(read_reference(row.filterref), interface, self.lookup)
        return ruleset(found, interface, table), (("bridge", table),)
