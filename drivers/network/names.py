"""Names of links and tables that the whole host sees: the root's hash is in all that are given here."""

from __future__ import annotations

import string
from collections.abc import Container
from itertools import count

PLAIN = frozenset(string.ascii_letters + string.digits + "-_.")
"""Characters that nft takes in a table's name; it takes ``/`` too, which no link's name has."""


def bridge(hash8: str, taken: Container[str]) -> str:
    """``ebHHHHHHHHN``: a bridge that nobody has. libvirt's are ``virbrN``."""
    return _free(f"eb{hash8}", taken)


def templated(template: str, taken: Container[str]) -> str:
    """For a name with ``%d`` in it, as libvirt accepts it: with the first number that is free."""
    before, _, after = template.partition("%d")
    return next(name for number in count() if (name := f"{before}{number}{after}") not in taken)


def tap(hash8: str, taken: Container[str]) -> str:
    """``etHHHHHH-N``; libvirt's are ``vnetN``."""
    return _free(f"et{hash8[:6]}-", taken)


def macvtap(hash8: str, taken: Container[str]) -> str:
    """``emHHHHHH-N``; libvirt's are ``macvtapN``."""
    return _free(f"em{hash8[:6]}-", taken)


def network_table(hash8: str, uuid: str) -> str:
    """The table of a network, in family ``inet``. Whole: UUIDs that people make up differ at their end."""
    return f"embervirt-{hash8}-{uuid}"


def filter_table(hash8: str, tap: str) -> str:
    """The table of a guest's filter, in family ``bridge``."""
    return f"embervirt-{hash8}-tap-{_plain(tap)}"


def policing_table(hash8: str, link: str) -> str:
    """The table of what limits frames from a link, in family ``netdev``."""
    return f"embervirt-{hash8}-in-{_plain(link)}"


def tables(hash8: str, uuid: str, bridge: str) -> set[tuple[str, str]]:
    """Family and name of all that a network may have."""
    return {("inet", network_table(hash8, uuid)), ("netdev", policing_table(hash8, bridge))}


def _plain(link: str) -> str:
    return "".join(each if each in PLAIN else f"/{ord(each):x}" for each in link)


def _free(prefix: str, taken: Container[str]) -> str:
    return next(name for number in count() if (name := f"{prefix}{number}") not in taken)
