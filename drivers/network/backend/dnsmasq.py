"""dnsmasq, which gives guests addresses and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from embervirt.drivers.network.backend.nftables import program, search_path
from embervirt.drivers.network.backend.server import Server

RIGHTS = "+net_admin,+net_raw,+net_bind_service,+dac_read_search"
"""Sockets, ARP entries, low ports; and its files may lie in a user's directory."""


@dataclass(frozen=True)
class Dnsmasq(Server):
    """It gives up its standard error once it has all its sockets."""

    name: ClassVar[str] = "dnsmasq"
    rereads: ClassVar[bool] = False
    leases: Path

    @property
    def nonce(self) -> str:
        """See ``Server``."""
        return f"--conf-file={self.conf}"

    @property
    def argv(self) -> list[str]:
        """It stays the user that reaches the root's files, without nearly all that makes root powerful.

        By itself it would become one of its own, and change its group, and write one pid file for all.
        """
        rights = [program("setpriv"), "--inh-caps=-all", f"--bounding-set=-all,{RIGHTS}", "--no-new-privs"]
        return [
            *rights,
            *(program("dnsmasq"), self.nonce, "--keep-in-foreground", f"--dhcp-leasefile={self.leases}"),
            *(f"--log-facility={self.log}", "--user=root", "--group=", "--pid-file="),
        ]

    @property
    def environment(self) -> Mapping[str, str]:
        """Its recorder is a shell, which the host program's PATH may be without."""
        return {"PATH": search_path(), "LC_ALL": "C"}
