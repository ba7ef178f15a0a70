"""``virConnect``: a program's connection to one root, by the URI of one of its drivers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from embervirt.libvirt.closing import CloseCalls
from embervirt.libvirt.domains import DomainCalls
from embervirt.libvirt.host import HostCalls
from embervirt.libvirt.network.calls import NetworkCalls
from embervirt.libvirt.network.nwfilter import FilterCalls
from embervirt.libvirt.registering import EventCalls
from embervirt.libvirt.secrets import SecretCalls
from embervirt.libvirt.statistics import StatisticsCalls
from embervirt.libvirt.storage.calls import StorageCalls
from embervirt.libvirt.streams import StreamCalls
from embervirt.libvirt.unbuilt import CONNECT, unbuilt

API_VERSION = 9_000_000
"""The libvirt whose API this is: major * 1,000,000 + minor * 1,000 + release."""


class virConnect(
    DomainCalls,
    EventCalls,
    StatisticsCalls,
    StreamCalls,
    SecretCalls,
    StorageCalls,
    NetworkCalls,
    FilterCalls,
    HostCalls,
    CloseCalls,
):
    """Made by ``open``. ``close`` it, or use it in a ``with``; any thread may use it."""

    def getURI(self) -> str:
        """The URI it was opened with."""
        self._check_open()
        return self._uri

    def getType(self) -> str:
        """``QEMU`` for the QEMU driver, as libvirt says it."""
        self._face("qemu")
        return "QEMU"

    def getVersion(self) -> int:
        """QEMU's: major * 1,000,000 + minor * 1,000 + release."""
        major, minor, micro = self._qemu.capabilities().version
        return major * 1_000_000 + minor * 1_000 + micro

    def getLibVersion(self) -> int:
        """The libvirt version whose API this is."""
        self._check_open()
        return API_VERSION

    def getHostname(self) -> str:
        """The host's."""
        self._check_open()
        return socket.gethostname()

    def isAlive(self) -> int:
        """1 while the root works, 0 when it was closed or its supervision gave up."""
        return int(self._lease.open and not self._lease.root.failed)

    def isEncrypted(self) -> int:
        """0: nothing leaves the process."""
        self._check_open()
        return 0

    def isSecure(self) -> int:
        """1: nothing leaves the process."""
        self._check_open()
        return 1

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, CONNECT, self)
