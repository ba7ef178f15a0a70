"""A QEMU that has every card of the sets."""

from __future__ import annotations

import msgspec
import pytest

from embervirt.drivers.qemu.capabilities import Capabilities
from unit.drivers.qemu.addresses.sets import CARDS


@pytest.fixture(scope="session", name="caps")
def wide(caps: Capabilities) -> Capabilities:
    """The capabilities of all tests, with all network cards."""
    return msgspec.structs.replace(caps, devices=caps.devices | {*CARDS, "virtio-net-pci-transitional"})
