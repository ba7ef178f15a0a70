"""Definitions by name, as libvirt keeps them: ``NAME.xml``, and for autostart a link to it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from embervirt.drivers.root.files import Fence, point, remove, sweep, write
from embervirt.drivers.root.paths import below
from embervirt.errors import libvirtError
from embervirt.log import get_logger

T = TypeVar("T")


class Definitions:
    """Of one driver. ``fence``: of the generation that writes."""

    def __init__(self, directory: Path, autostart: Path, fence: Fence) -> None:
        self._directory, self._autostart, self._fence = directory, autostart, fence

    @property
    def fence(self) -> Fence:
        """Of the generation that writes."""
        return self._fence

    def check_fence(self) -> None:
        """Raises when that was given up: before what takes too long to be guarded."""
        with self._fence.guard():
            return

    def define(self, name: str, xml: str) -> None:
        """Keep a definition, durably."""
        write(self._definition(name), xml.encode(), durable=True, fence=self._fence)

    def undefine(self, name: str) -> None:
        """Forget it, durably, with its autostart link."""
        remove(self._link(name), durable=False, fence=self._fence)
        remove(self._definition(name), durable=True, fence=self._fence)

    def autostarting(self) -> set[str]:
        """Names of those whose link leads to their definition."""
        found = (path for path in self._autostart.glob("*.xml") if path.is_symlink())
        return {path.stem for path in found if path.resolve() == self._definition(path.stem).resolve()}

    def set_autostart(self, name: str, on: bool) -> None:
        """Make or remove its link, durably."""
        if on:
            point(self._link(name), self._definition(name), durable=True, fence=self._fence)
        else:
            remove(self._link(name), durable=True, fence=self._fence)

    def _definition(self, name: str) -> Path:
        return below(self._directory, f"{name}.xml")

    def _link(self, name: str) -> Path:
        return below(self._autostart, f"{name}.xml")


def usable(directory: Path, read: Callable[[Path], T], what: str, driver: str) -> Iterator[T]:
    """Every definition in it that can be read; another is reported (``what`` it is) and left as it is."""
    sweep(directory)
    for path in sorted(directory.glob("*.xml")):
        try:
            yield read(path)
        except (libvirtError, UnicodeDecodeError) as error:
            text = f"{what} is not usable and was left aside"
            get_logger(driver=driver).error(text, file=str(path), error=str(error))
