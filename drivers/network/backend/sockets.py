"""Networks without privilege: guests' frames are datagrams between sockets, which a switch joins.

A port is a file beside its two sockets, which the switch reads when it is told to. QEMU makes its own socket.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from embervirt.drivers.network.backend.protocol import Plan, PortPlan
from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.store import Record
from embervirt.drivers.network.switch.config import ENDING, Port
from embervirt.drivers.network.tables import PortRow
from embervirt.drivers.root.files import Fence, make_directories, remove, write
from embervirt.drivers.root.sockets import ADDRESS_MAX

CAP_NET_ADMIN = 12


def privileged() -> bool:
    """Whether this thread may configure the network of its namespace (capabilities(7), /proc/PID/status)."""
    status = Path("/proc/thread-self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_NET_ADMIN & 1)


class Sockets:
    """``directory`` of all ports of the root; ``reread`` tells the switch of a network to look there.

    ``fence``: of the generation at work.
    """

    server = "switch"

    def __init__(self, directory: Path, reread: Callable[[str], None], fence: Fence) -> None:
        self._directory, self._reread, self._fence = directory, reread, fence

    def check(self, plan: Plan) -> None:
        """What it could not do, the plan has refused."""

    @contextmanager
    def ensuring(self, plan: Plan, *, new: bool) -> Iterator[None]:
        """All that it needs is the directory of its ports."""
        make_directories([self._directory])
        yield

    def rule(self, plans: Iterable[Plan]) -> None:
        """There are none."""

    def remove(self, record: Record) -> None:
        """It has nothing but its server, and ports that went before."""

    def plug(self, plan: PortPlan) -> tuple[PortRow, list[int]]:
        """Raises NetworkUnsupported: for what is no network, and for a path that QEMU cannot be told."""
        row = plan.row
        if row.type != "dgram":
            text = f"interface {row.mac}: a {row.type} needs CAP_NET_ADMIN"
            raise NetworkUnsupported(f"{text}; expected type 'user', or 'network' of one without <forward>")
        longest = max(len(os.fsencode(path)) for path in ends(self._directory, row.tap))
        if longest > ADDRESS_MAX:
            text = f"interface {row.mac}: its socket below '{self._directory}' has a path of {longest} bytes"
            raise NetworkUnsupported(f"{text}, expected at most {ADDRESS_MAX}: the root's own is too long")
        self.ensure_port(plan)
        return row, []

    def ensure_port(self, plan: PortPlan) -> None:
        """Raises NetworkUnsupported for what takes a privilege."""
        row, limit = plan.row, plan.shape or plan.police
        for what, wanted in {"<bandwidth>": limit, "<vlan>": plan.vlans, "<filterref>": plan.filter}.items():
            if wanted:
                text = f"interface {row.mac}: {what} needs CAP_NET_ADMIN"
                raise NetworkUnsupported(f"{text}; expected none of it on a switch of sockets")
        far, near = ends(self._directory, row.tap)
        port = Port(row.id, row.network, row.mac, near.name, far.name, row.isolated, row.link_up)
        content = msgspec.json.encode(port)
        write(self._directory / f"{row.tap}{ENDING}", content, durable=False, fence=self._fence)
        self._reread(row.network)

    def unplug(self, row: PortRow, *, keep_tap: bool = False) -> None:
        """Its sockets go too: the switch removes its own."""
        remove(self._directory / f"{row.tap}{ENDING}", durable=False, fence=self._fence)
        self._reread(row.network)
        for path in ends(self._directory, row.tap):
            remove(path, durable=False, fence=self._fence)

    def filtered(self) -> set[str]:
        """None can be."""
        return set()

    def taken(self, name: str) -> bool:
        """Links of the host are nobody's here."""
        return False

    def abandoned(self, rows: Iterable[PortRow]) -> list[PortRow]:
        """A socket that is nobody's is ``gone``."""
        return []

    def gone(self, row: PortRow) -> bool:
        """Whether its QEMU was there, and ended: its socket is there, and nobody's."""
        far, _ = ends(self._directory, row.tap)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(str(far)) == errno.ECONNREFUSED


def ends(directory: Path, tap: str) -> tuple[Path, Path]:
    """The guest's socket and the switch's."""
    return directory / f"{tap}.far", directory / f"{tap}.near"
