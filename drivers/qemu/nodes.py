"""The numbers in the names of block nodes: ``libvirt-3-format``. The live XML has them as ``index``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from embervirt.drivers.qemu.model import Disk
from embervirt.drivers.qemu.model.disk import BackingStore
from embervirt.drivers.xml import replace


def numbered(disks: tuple[Disk, ...], above: int = 0) -> tuple[Disk, ...]:
    """Each image of each disk with a number of its own; numbers that are there stay.

    As libvirt counts: the last disk first, an image before the one it lies upon, an empty drive as well.
    New numbers are higher than ``above`` and than all that are there: who takes a medium out of a running
    guest gives the highest of before (``highest``), for its nodes are still there.
    """
    last = max(above, highest(disks))
    done = []
    for disk in reversed(disks):
        marked, last = _marked(disk, last)
        done.append(marked)
    return tuple(reversed(done))


def highest(disks: Iterable[Disk]) -> int:
    """The highest number in use, 0 when there is none."""
    return max((number for disk in disks for number in _numbers(disk)), default=0)


def unnumbered(disk: Disk) -> Disk:
    """A disk as a definition has it: without the numbers of a run."""
    source = replace(disk.source, index=None) if disk.source else None
    layers = tuple(_layer(layer, None) for layer in disk.backing)
    return replace(disk, source=source, backing=layers)


def _layer(layer: BackingStore, number: str | None) -> BackingStore:
    source = replace(layer.source, index=None) if layer.source else None
    return replace(layer, source=source, index=number)


def _numbers(disk: Disk) -> Iterator[int]:
    given = (disk.source.index if disk.source else None, *(layer.index for layer in disk.backing))
    return (int(number) for number in given if number is not None)


def _marked(disk: Disk, last: int) -> tuple[Disk, int]:
    if disk.source is None or disk.is_empty:
        return disk, last + 1
    source = disk.source
    if source.index is None:
        last += 1
        source = replace(source, index=str(last))
    layers = []
    for layer in disk.backing:
        if layer.type is not None and layer.index is None:
            last += 1
            layer = _layer(layer, str(last))
        layers.append(layer)
    return replace(disk, source=source, backing=tuple(layers)), last
