"""Devices by the name of their list and their number in it, and their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import Address
from embervirt.drivers.xml import replace

Item = tuple[str, int]
Places = dict[Item, Address]


def items(lists: Mapping[str, tuple[Any, ...]], name: str) -> Iterator[tuple[Item, Any]]:
    """Every device of a list; none for a list that the model does not have."""
    for number, device in enumerate(lists.get(name, ())):
        yield (name, number), device


def put(domain: Domain, places: Mapping[Item, Address]) -> Domain:
    """The domain with these devices at these addresses; itself if they are there already."""
    lists: dict[str, list[Any]] = {}
    for (name, number), address in places.items():
        devices: list[Any] = lists.get(name) or list(getattr(domain.devices, name))
        known = devices[number].address
        if known is not address and (known is None or known != address):
            devices[number] = replace(devices[number], address=address)
            lists[name] = devices
    if not lists:
        return domain
    changed: dict[str, Any] = {name: tuple(devices) for name, devices in lists.items()}
    return replace(domain, devices=replace(domain.devices, **changed))
