"""``virDomain``: a handle on one domain, put together from a file for each kind of call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.libvirt.domain.absent import Absent
from embervirt.libvirt.domain.blocks import Blocks
from embervirt.libvirt.domain.console import Console
from embervirt.libvirt.domain.interfaces import Interfaces
from embervirt.libvirt.domain.lifecycle import Lifecycle
from embervirt.libvirt.domain.power import Power
from embervirt.libvirt.domain.reads import Reads
from embervirt.libvirt.domain.statistics import Statistics
from embervirt.libvirt.domain.tuning import Tuning
from embervirt.libvirt.unbuilt import DOMAIN, unbuilt


class virDomain(Reads, Lifecycle, Interfaces, Power, Console, Blocks, Tuning, Statistics, Absent):
    """Stays valid while the domain and the root do; ``name`` and ``UUID`` even after."""

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, DOMAIN, self)
