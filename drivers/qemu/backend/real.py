"""The real hands of the QEMU driver, one set for each root."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.backend.agent import converse
from embervirt.drivers.qemu.backend.launch import launch
from embervirt.drivers.qemu.backend.monitor import Monitor, MonitorLoop, OnClose, OnEvent
from embervirt.drivers.qemu.backend.probe import cached
from embervirt.drivers.qemu.backend.protocol import Command, Launched
from embervirt.drivers.qemu.capabilities import Capabilities


class RealBackend:
    """``protocol.Backend`` with real processes. Close it: that ends its monitors, never a QEMU."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._loop = MonitorLoop()

    def launch(self, command: Command, *, deadline: float, on_event: OnEvent, on_close: OnClose) -> Launched:
        """As ``launch.launch``."""
        return launch(command, self._loop, deadline=deadline, on_event=on_event, on_close=on_close)

    def connecting(self, monitor: Path, *, on_event: OnEvent, on_close: OnClose) -> Future[Any]:
        """As ``Monitor.connecting``."""
        return Monitor.connecting(self._loop, monitor, on_event, on_close)

    def converse(self, agent: Path, request: bytes, patience: float | None) -> Future[bytes]:
        """As ``agent.converse``, on the monitors' thread."""
        return self._loop.start(converse, agent, request, patience)

    def probe(self, binary: str) -> Capabilities:
        """As ``probe.cached``."""
        return cached(binary, self._cache_dir, self._loop)

    def close(self) -> None:
        """Ends every session and the thread. May be repeated."""
        self._loop.close()
