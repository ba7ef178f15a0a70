"""Limits of a network card's traffic, in libvirt's names."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain, Interface
from embervirt.drivers.qemu.model.interface_network import Bandwidth, Rate
from embervirt.drivers.qemu.plugging import Verb
from embervirt.drivers.xml import render, replace
from embervirt.errors import InvalidArgument
from embervirt.libvirt.domain import impact
from embervirt.libvirt.domain.plugging import Plugging
from embervirt.libvirt.flags import only

TYPED_STRING_OKAY = 4
WAYS = ("inbound", "outbound")
LIMITS = {"average": WAYS, "peak": WAYS, "burst": WAYS, "floor": ("inbound",)}
NAMES = tuple(f"{way}.{limit}" for way in WAYS for limit, ways in LIMITS.items() if way in ways)
LARGEST = 2**32 - 1


class Interfaces(Plugging):
    """The part of ``virDomain`` that limits network cards."""

    def interfaceParameters(self, device: str, flags: int = 0) -> dict[str, int]:
        """KiB a second, and KiB, by name: ``inbound.average``, ``outbound.burst``...; 0 is no limit.

        ``device``: the card's MAC address, or its device on the host. Raises InvalidArgument for none.
        """
        only(flags, impact.AFFECT | TYPED_STRING_OKAY, "interfaceParameters")
        card = _card(impact.read(self, flags & impact.AFFECT), device)
        return {name: _limit(card, name) for name in NAMES}

    def setInterfaceParameters(self, device: str, params: dict[str, Any], flags: int = 0) -> int:
        """Other limits for the running guest (1), its definition (2), or both; the others stay as they are.

        A way whose ``average`` becomes 0 has none any more. Raises as ``updateDeviceFlags``.
        """
        only(flags, impact.AFFECT, "setInterfaceParameters")
        self._conn._check_writable("virDomainSetInterfaceParameters")
        _check(params)
        wanted = impact.of(self, flags)
        for one, which in ((wanted.config, impact.CONFIG), (wanted.live, impact.LIVE)):
            if one:
                card = _limited(_card(impact.read(self, which), device), params)
                self._change(Verb.UPDATE, render(card), which)
        return 0


def _check(params: dict[str, Any]) -> None:
    for name, value in params.items():
        if name not in NAMES:
            expected = ", ".join(NAMES)
            raise InvalidArgument(f"parameter '{name}' not supported: expected one of {expected}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
            raise InvalidArgument(f"parameter '{name}': {value!r}, expected a number from 0 to {LARGEST}")


def _card(domain: Domain, device: str) -> Interface:
    for card in domain.devices.interfaces:
        target = card.target.dev if card.target else None
        if device and device in (card.mac.address if card.mac else None, target):
            return card
    raise InvalidArgument(f"Can't find device {device}", virdomain=VIR_FROM_QEMU if device else VIR_FROM_DOM)


def _limit(card: Interface, name: str) -> int:
    way, limit = name.split(".")
    rate: Rate | None = getattr(card.bandwidth, way, None)
    return int(getattr(rate, limit, None) or 0)


def _limited(card: Interface, params: dict[str, int]) -> Interface:
    rates = {way: _rate(card, way, params) for way in WAYS}
    limits = Bandwidth(inbound=rates["inbound"], outbound=rates["outbound"])
    return replace(card, bandwidth=limits if any(rates.values()) else None)


def _rate(card: Interface, way: str, params: dict[str, int]) -> Rate | None:
    names = {limit: f"{way}.{limit}" for limit, ways in LIMITS.items() if way in ways}
    values = {limit: params.get(name, _limit(card, name)) or None for limit, name in names.items()}
    cleared = params.get(f"{way}.average") == 0 and not values.get("floor")
    return None if cleared or not any(values.values()) else Rate(**values)
