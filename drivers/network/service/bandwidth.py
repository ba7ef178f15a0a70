"""Bandwidth as the calls of ports have it: by libvirt's names instead of XML (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from embervirt.drivers.network.errors import NetworkArgument, NetworkUnsupported
from embervirt.drivers.network.model import Bandwidth, Rate
from embervirt.drivers.xml import parse, render

NAMES = {
    "inbound": ("average", "peak", "floor", "burst"),
    "outbound": ("average", "peak", "burst"),
}
"""By direction; both of VIR_NETWORK_PORT_BANDWIDTH_*."""


def read(xml: str) -> Bandwidth | None:
    """An element's text; None for an empty one."""
    return parse(Bandwidth, xml) if xml else None


def parameters(xml: str) -> dict[str, int]:
    """What is set, all of a direction that has anything."""
    found = read(xml)
    said: dict[str, int] = {}
    for direction, names in NAMES.items():
        rate = getattr(found, direction, None)
        if rate is not None:
            said |= {f"{direction}.{name}": getattr(rate, name) or 0 for name in names}
    return said


def changed(xml: str, values: Mapping[str, int]) -> str:
    """With ``values`` in place of what it had; a direction whose average and floor are 0 has no limit.

    Raises NetworkArgument, NetworkUnsupported.
    """
    known = {f"{direction}.{name}" for direction, names in NAMES.items() for name in names}
    for name, value in values.items():
        if name not in known:
            raise NetworkArgument(f"parameter '{name}': expected one of {', '.join(sorted(known))}")
        if not 0 <= value < 2**32:
            raise NetworkArgument(f"parameter '{name}': {value} is not a number of kilobytes below 2**32")
    if values.get("inbound.floor"):
        raise NetworkUnsupported("parameter 'inbound.floor': no bandwidth is guaranteed here; expected 0")
    now = {**parameters(xml), **values}
    rates = {direction: _rate(direction, now) for direction in NAMES}
    if not any(rates.values()):
        return ""
    return render(Bandwidth(inbound=rates["inbound"], outbound=rates["outbound"])).strip()


def _rate(direction: str, values: Mapping[str, int]) -> Rate | None:
    given = {name: values.get(f"{direction}.{name}") or None for name in NAMES[direction]}
    return Rate(**given) if given["average"] or given.get("floor") else None
