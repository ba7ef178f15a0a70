"""How fast frames may come from a link: what comes faster is dropped, by a chain of nftables at its ingress.

libvirt has a policer of tc do it, which needs a kernel with that action; this is the same token bucket.
"""

from __future__ import annotations


def ruleset(table: str, link: str, rate: int, burst: int) -> str:
    """KiB a second, and KiB at once, in a table of the link's own; in place of what it has been."""
    chain = f'type filter hook ingress device "{link}" priority 0;'
    limit = f"limit rate over {rate} kbytes/second burst {burst} kbytes drop"
    return f"{gone(table)}table netdev {table} {{\n  chain {CHAIN} {{\n    {chain}\n    {limit}\n  }}\n}}\n"


def gone(table: str) -> str:
    """The table is not there afterwards, whether it was or not."""
    return f"add table netdev {table}\ndelete table netdev {table}\n"


CHAIN = "from-guest"
