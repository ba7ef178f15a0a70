"""When a network takes which request: a table, and libvirt's words for a refusal."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInvalid, NoNetwork
from embervirt.drivers.network.tables import NetworkRow

LIVE, CONFIG = 1, 2
"""virNetworkUpdateFlags."""


def check_start(row: NetworkRow) -> None:
    """Raises NetworkInvalid for one that is active."""
    if row.active:
        raise NetworkInvalid("network is already active")


def check_active(row: NetworkRow) -> None:
    """Raises NetworkInvalid for one that is not active."""
    if not row.active:
        raise NetworkInvalid(f"network '{row.name}' is not active")


def check_undefine(row: NetworkRow) -> None:
    """Raises NetworkInvalid for one that is not defined."""
    if not row.persistent:
        raise NetworkInvalid("can't undefine transient network")


def check_autostart(row: NetworkRow) -> None:
    """The same for its autostart."""
    if not row.persistent:
        raise NetworkInvalid("cannot set autostart for transient network")


def impact(row: NetworkRow, flags: int) -> tuple[bool, bool]:
    """Which of live and config a change is of; 0 is the live one of an active network, else config.

    Raises NetworkInvalid for one that is not there.
    """
    if not flags & (LIVE | CONFIG):
        flags = LIVE if row.active else CONFIG
    if flags & LIVE and not row.active:
        raise NetworkInvalid("network is not running")
    if flags & CONFIG and not row.persistent:
        raise NetworkInvalid("cannot change persistent config of a transient network")
    return bool(flags & LIVE), bool(flags & CONFIG)


def no_network(uuid: str, name: str = "") -> NoNetwork:
    """The error for a UUID that nobody has."""
    return NoNetwork(f"no network with matching uuid '{uuid}'" + (f" ({name})" if name else ""))
