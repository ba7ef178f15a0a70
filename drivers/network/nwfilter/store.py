"""A root's own filters: ``etc/nwfilter/NAME.xml``, as libvirt has them. The built-in ones are in no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.network.nwfilter.builtin import NAMES, builtin
from embervirt.drivers.network.nwfilter.errors import FilterConflict, FilterValue
from embervirt.drivers.network.nwfilter.model import Filter, FilterRef
from embervirt.drivers.network.nwfilter.reading import read_filter
from embervirt.drivers.root.definitions import usable
from embervirt.drivers.root.files import Fence, make_directories, read, remove, write
from embervirt.drivers.xml import render


@dataclass(frozen=True)
class FilterRow:
    """A filter as it is published. ``own``: it has a file."""

    uuid: str
    name: str
    filter: Filter
    own: bool


Rows = Mapping[str, FilterRow]
"""By UUID."""


class FilterStore:
    """``fence``: of the generation that writes."""

    def __init__(self, directory: Path, fence: Fence) -> None:
        self._directory, self._fence = directory, fence

    def load(self) -> dict[str, FilterRow]:
        """All that there are; a file that cannot be read is reported and left as it is."""
        own = {row.name: row for row in usable(self._directory, self._read, "filter", "network")}
        given = (builtin(name) for name in NAMES if name not in own)
        rows = [*own.values(), *(_row(each, own=False) for each in given if each)]
        return {row.uuid: row for row in rows}

    @staticmethod
    def _read(path: Path) -> FilterRow:
        made = read_filter(read(path))
        if made.name != path.stem:
            raise FilterValue(f"name '{made.name}' does not match file name '{path.name}'")
        return _row(made, own=True)

    def keep(self, made: Filter) -> FilterRow:
        """Durable when this returns."""
        make_directories([self._directory])
        write(self._path(made.name), render(made).encode(), durable=True, fence=self._fence)
        return _row(made, own=True)

    def forget(self, name: str) -> None:
        """Its file is gone when this returns."""
        remove(self._path(name), durable=True, fence=self._fence)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.xml"


def check(made: Filter, rows: Rows) -> None:
    """Whether it can be defined. Raises FilterConflict, FilterValue."""
    if "/" in made.name or made.name in (".", ".."):
        raise FilterValue(f"filter name '{made.name}' is no name of a file; one without '/' is accepted")
    for row in rows.values():
        if row.name == made.name and row.uuid != made.uuid:
            raise FilterConflict(f"filter '{row.name}' already exists with uuid {row.uuid}")
        if row.uuid == made.uuid and row.name != made.name:
            raise FilterConflict(f"filter with same UUID but different name ('{row.name}') already exists")
    named = {row.name: row.filter for row in rows.values()} | {made.name: made}
    if made.name in included(made, named):
        raise FilterConflict(f"filter would introduce a loop: '{made.name}' would include itself")


def included(first: Filter, named: Mapping[str, Filter]) -> set[str]:
    """The names of all filters that one includes, through others too."""
    found: set[str] = set()
    left = [first]
    while left:
        names = {each.filter for each in left.pop().entries if isinstance(each, FilterRef)} - found
        found |= names
        left += [named[name] for name in names if name in named]
    return found


def _row(made: Filter, *, own: bool) -> FilterRow:
    return FilterRow(str(made.uuid), made.name, made, own)
