"""What the QEMU driver has once for each root: its tables, its monitors' thread, what QEMU can do."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Future

from embervirt import world
from embervirt.actors.bus import Bus
from embervirt.config import accounts
from embervirt.config.accounts import Account
from embervirt.config.settings import Settings
from embervirt.drivers.driver import GUESTS, Environment
from embervirt.drivers.qemu.addresses import assign
from embervirt.drivers.qemu.backend.real import RealBackend
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, NoEmulator
from embervirt.drivers.qemu.model import Domain, Interface, written
from embervirt.drivers.qemu.model.interface import Mac
from embervirt.drivers.qemu.owners import Owners
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.postparse import postparse
from embervirt.drivers.qemu.tables import Running, Tables
from embervirt.drivers.qemu.validate import validate
from embervirt.drivers.root.leases import Leases
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.xml import parse, replace
from embervirt.errors import ConfigUnsupported, errors_of
from embervirt.log import get_logger
from embervirt.supervisor import proc
from embervirt.supervisor.supervisor import Supervisor

EMULATORS = {"x86_64": "qemu-system-x86_64", "i686": "qemu-system-i386"}
"""By the architecture of guests."""
VIR_FROM_DOMAIN = 20

Failed = tuple[Plan, BaseException]
"""A start that did, and of what."""


class Face:
    """Shared by the driver's actors and the handles; owns no state of a domain but the tables.

    ``account``: as whom guests run that are started here, None for the host program's own; ``owners``: of
    files that were given to such users; ``leases``: of images that guests use.
    """

    def __init__(self, environment: Environment) -> None:
        self.paths: RootPaths = environment.paths
        self.settings: Settings = environment.settings
        self.bus: Bus = environment.bus
        self.supervisor: Supervisor = environment.supervisor
        self.child = environment.child
        self.journal = environment.journal
        self.tables = Tables()
        self.adopting: list[Future[None]] = []
        self.starts: dict[str, Future[Failed | None]] = {}
        """Ends of those under way, by UUID; a guest's actor goes on with one when the driver's has died.

        One that failed stays until the driver's actor has settled it.
        """
        self.swept = False
        self.monitor_listeners: set[tuple[int, int]] = set()
        chosen = self.settings.qemu
        self.account: Account | None = accounts.chosen(chosen.user, chosen.group)
        if os.geteuid() != 0 and (chosen.user, chosen.group) != (None, None):
            get_logger(driver="qemu").debug("qemu.user and qemu.group are for a program that is root")
        self.owners = Owners(self.paths.owners)
        self.leases = Leases(self.paths.leases)
        self._resources = environment.resources
        self._lock = world.Lock()
        self._backend: RealBackend | None = None
        self._capabilities: dict[str, Capabilities] = {}
        self._found: dict[tuple[str, str], str] = {}

    def settle(self) -> None:
        """Wait until the guests that were found are adopted, or it is known why not."""
        world.wait(self.adopting, self.settings.qemu.qmp_timeout)

    def check_open(self) -> None:
        """Raises InvalidConnection once the root is closed or failed."""
        self.bus.routes.check_open()

    def goes_on(self, plan: Plan) -> bool:
        """Whether a run on record is found, its actor given up: by a successor, or the next opening."""
        there = self.supervisor.tree.find((*GUESTS, plan.child)) is not None
        return there or self.bus.routes.closed is not None

    @property
    def backend(self) -> RealBackend:
        """The hands on QEMU, made on first use."""
        with self._lock:
            if self._backend is None:
                self._backend = RealBackend(self.paths.qemu_cache)
                self._resources.callback(self._backend.close)
            return self._backend

    def emulator(self, arch: str | None = None) -> str:
        """The setting, or what PATH finds for guests of ``arch`` (x86_64 when None).

        Raises NoEmulator, ConfigUnsupported for an architecture that no emulator is found for.
        """
        name = EMULATORS.get(arch or "x86_64", f"qemu-system-{arch}")
        found = self.settings.qemu.emulator or self._in_path(name)
        if found is None and arch in (None, "x86_64"):
            raise NoEmulator(f"no emulator: {name} is not in PATH and qemu.emulator is not set", int1=2)
        if found is None:
            text = f"No emulator found for arch '{arch}': {name} is not in PATH"
            raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
        return found

    def _in_path(self, name: str) -> str | None:
        """Looked for again when PATH is another, or what was found is gone."""
        key = name, os.environ.get("PATH", "")
        known = self._found.get(key)
        if known is None or not os.access(known, os.X_OK):
            known = shutil.which(name)
        if known is not None:
            self._found[key] = known
        return known

    def capabilities(self, emulator: str | None = None) -> Capabilities:
        """Of a QEMU binary; probed once, then from the cache. Raises NoEmulator, ProbeFailed."""
        binary = emulator or self.emulator()
        with self._lock:
            known = self._capabilities.get(binary)
        if known is None:
            known = self.backend.probe(binary)
            with self._lock:
                self._capabilities[binary] = known
        return known

    def read(self, text: str, *, strict: bool = False) -> tuple[Domain, str]:
        """Parse, complete and check a domain's XML in the caller's thread; the model and its final text.

        Raises XmlError, ConfigUnsupported, InvalidArgument, NoEmulator.
        """
        with errors_of(VIR_FROM_DOMAIN):
            domain = self.with_macs(parse(Domain, text, strict=strict))
            chosen = self.capabilities(domain.devices.emulator or self.emulator(domain.os.type.arch))
            domain = assign(postparse(domain, chosen, str(self.paths.nvram)), chosen)
            validate(domain, chosen)
            return domain, written(domain)

    def with_macs(self, domain: Domain) -> Domain:
        """With an address, which no domain of this root has, for each network card that has none."""
        cards = tuple(map(self.with_mac, domain.devices.interfaces))
        return replace(domain, devices=replace(domain.devices, interfaces=cards)) if cards else domain

    def with_mac(self, card: Interface) -> Interface:
        """The same of one card."""
        return card if card.mac is not None else replace(card, mac=Mac(address=self.tables.macs.fresh()))

    @staticmethod
    def cpu_time(row: Running) -> int:
        """Nanoseconds its QEMU process has used; 0 when it has just ended."""
        return sum(proc.cpu_times(row.process.pid))
