"""A network namespace for a test, and a root that is opened in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.network.messages import Owner, Plug, Port
from guest.domain import uri
from guest.namespace import Namespace, entered

PROMPT = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}
GUEST = "22222222-2222-2222-2222-222222222222"
MAC = "52:54:00:11:11:11"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Of this test; links and rules in it go with it."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    with entered() as made:
        yield made


@pytest.fixture
def conn(namespace: Namespace, tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """Opened by the network driver's own URI."""
    with libvirt.open(uri(tmp_path / "root", "network"), settings=PROMPT) as made:
        yield made


def network_xml(name: str = "net", address: str = "10.7.7.1", more: str = "", *, inside: str = "") -> str:
    """A network with DHCP on a /24; ``more`` beside, ``inside``: of ``<dhcp>``."""
    first, last = (f"{address.rpartition('.')[0]}.{end}" for end in (100, 200))
    dhcp = f"<dhcp><range start='{first}' end='{last}'/>{inside}</dhcp>"
    ip = f"<ip address='{address}' netmask='255.255.255.0'>{dhcp}</ip>"
    return f"<network><name>{name}</name>{more}{ip}</network>"


def plug(conn: libvirt.virConnect, source: str = "net", **more: Any) -> tuple[Port, list[int]]:
    """As the QEMU driver does it: the port, and the descriptors that it handed over."""
    owner = Owner(GUEST, "guest", more.pop("run", "run-1"))
    wish = Plug(owner, more.pop("mac", MAC), more.pop("type", "network"), source, **more)
    port = conn.root.call("network", wish)
    return port, conn.root.bus.handover.take(port.token)


def close(descriptors: list[int]) -> None:
    """As QEMU's end does."""
    for each in descriptors:
        os.close(each)
