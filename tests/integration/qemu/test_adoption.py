"""Guests that are found again: their QEMU was started by a root that closed, or by a process that was killed."""

from __future__ import annotations

import signal
from pathlib import Path

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, Recovered
from embervirt.drivers.root import sockets
from guest.calls import watching
from guest.domain import pid_of, small, uri, wait_until
