"""The network driver's files: ``etc/qemu/networks`` as libvirt has it, and in ``run/network`` what is active.

Active networks and ports are recorded as JSON, in this boot of the host only: after a reboot a network starts
again by autostart, or by somebody who wants it. A record is there before anything of the network is, and goes
after all of it is gone, so whoever finds it knows what may be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from embervirt.drivers.network import names
from embervirt.drivers.network.errors import NetworkFailed
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.reading import read_network
from embervirt.drivers.network.tables import PortRow
from embervirt.drivers.root.definitions import Definitions, usable
from embervirt.drivers.root.files import Fence, make_directories, read, remove, sweep, write
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.identity import boot_id
from embervirt.supervisor.processes import Watched

Phase = Literal["starting", "active", "stopping"]
T = TypeVar("T")

MADE = ("bridge", "mac")
"""Of a record: what a network has that is on this host; one on a switch of sockets has none."""


class Record(msgspec.Struct, frozen=True):
    """A network that is active, or on the way there or back. ``xml`` as it is live.

    ``bridge``: that guests join; ``mac``: of one that was made here, by which it is known again, else empty.
    ``tables``: family and name of what it has in nftables. ``namespace``: device and inode of the network
    namespace that it is in.
    """

    uuid: str
    name: str
    xml: str
    boot_id: str
    namespace: tuple[int, int]
    phase: Phase = "starting"
    bridge: str = ""
    mac: str = ""
    tables: tuple[tuple[str, str], ...] = ()
    server: Watched | None = None


class PortRecord(msgspec.Struct, frozen=True):
    """A port, and the boot of the host that it is of."""

    boot_id: str
    row: PortRow


def namespace() -> tuple[int, int]:
    """The network namespace of this thread."""
    found = Path("/proc/thread-self/ns/net").stat()
    return found.st_dev, found.st_ino


class Store(Definitions):
    """``fence``: of the generation that writes."""

    def __init__(self, paths: RootPaths, fence: Fence) -> None:
        super().__init__(paths.networks_etc, paths.networks_autostart, fence)
        self.paths = paths
        self._ports = paths.networks_run / "ports"
        self._log = get_logger(driver="network")

    # Definitions.

    def definitions(self) -> Iterator[Network]:
        """Every one that can be read; another is reported and left as it is."""
        return usable(self.paths.networks_etc, self._read, "network", "network")

    @staticmethod
    def _read(path: Path) -> Network:
        network = read_network(read(path))
        if network.name != path.stem:
            text = f"Network config filename '{path}' does not match network name '{network.name}'"
            raise NetworkFailed(text)
        return network

    # What is active.

    def records(self) -> Iterator[Record]:
        """Of networks in this boot of the host; others are forgotten."""
        for path in sorted(self.paths.networks_run.glob("*.json")):
            record = self._record(path)
            if record is not None:
                yield record

    def left(self, name: str) -> Record | None:
        """Of a network that is not active, what an attempt to take it down left."""
        path = self.paths.networks_run / f"{name}.json"
        return self._record(path) if path.exists() else None

    def _record(self, path: Path) -> Record | None:
        record = self._decoded(path, Record, self._check)
        if record is None or record.boot_id == boot_id():
            return record
        remove(path, durable=False, fence=self._fence)
        return None

    def _check(self, path: Path, record: Record) -> None:
        """It is what this root writes, for all that it names is taken down with it.

        Raises NetworkFailed, and what ``read_network`` raises.
        """
        network = read_network(record.xml)
        name, uuid, bridge = str(network.name), str(network.uuid), network.bridge_name
        mac = network.mac.address if network.own_bridge and network.mac else ""
        said = {"file": path.stem, "name": record.name, "uuid": record.uuid, "bridge": record.bridge,
                "mac": record.mac}  # fmt: skip
        meant = {"file": name, "name": name, "uuid": uuid, "bridge": bridge, "mac": mac}
        for what, value in said.items():
            if value != meant[what] and not (what in MADE and not value):
                raise NetworkFailed(f"its {what} is '{value}', but its network's is '{meant[what]}'")
        others = set(record.tables) - names.tables(self.paths.hash8, uuid, bridge)
        if others:
            raise NetworkFailed(f"tables of nftables are not its own: {sorted(others)}")

    def keep(self, record: Record) -> Record:
        """Remember it as it is now."""
        path = self.paths.networks_run / f"{record.name}.json"
        write(path, msgspec.json.encode(record), durable=False, fence=self._fence)
        return record

    def forget(self, record: Record) -> None:
        """Nothing of it is left."""
        remove(self.paths.networks_run / f"{record.name}.json", durable=False, fence=self._fence)

    def ports(self) -> Iterator[PortRow]:
        """The same of ports."""
        make_directories([self._ports])
        sweep(self._ports)
        for path in sorted(self._ports.glob("*.json")):
            record = self._decoded(path, PortRecord)
            if record is not None and record.boot_id == boot_id():
                yield record.row
            elif record is not None:
                remove(path, durable=False, fence=self._fence)

    def keep_port(self, row: PortRow) -> PortRow:
        """Remember a port as it is now."""
        content = msgspec.json.encode(PortRecord(boot_id(), row))
        write(self._ports / f"{row.id}.json", content, durable=False, fence=self._fence)
        return row

    def forget_port(self, id_: str) -> None:
        """Nothing of it is left."""
        remove(self._ports / f"{id_}.json", durable=False, fence=self._fence)

    def _decoded(
        self, path: Path, type_: type[T], check: Callable[[Path, T], None] = lambda path, found: None
    ) -> T | None:
        """What cannot be read is reported and left as it is."""
        try:
            found = msgspec.json.decode(read(path), type=type_)
            check(path, found)
        except (libvirtError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._log.error("a record is not usable", file=str(path), error=str(error))
            return None
        return found
