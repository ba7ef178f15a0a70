"""QEMU's events as those of the driver, and as libvirt's callbacks get them."""

from __future__ import annotations

from typing import Any

import pytest

from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.messages import DeviceAdded, DeviceRemoved
from embervirt.drivers.qemu.model import model_of
from embervirt.drivers.qemu.service import blocks, heard
from embervirt.libvirt.events import KINDS

WHO = ("a", "c7a5fdbd-cdaf-9455-926a-d65c16db1809", 7)
XML = """<domain type='qemu'><name>a</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid><memory>1</memory>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os><devices>
    <disk type='file'><driver name='qemu' type='raw'/><source file='/a.img' index='2'/>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='hda' bus='ide'/>
      <address type='drive' controller='0' bus='0' unit='0'/></disk></devices></domain>"""
DOMAIN = named(model_of(XML))
ENDS = {
    "server": {"auth": "none", "family": "ipv4", "service": "5977", "host": "127.0.0.1", "websocket": False},
    "client": {"family": "unix", "service": "", "host": "", "sasl_username": "fred", "websocket": False},
}
LOCAL = {"family": 0, "node": "127.0.0.1", "service": "5977"}
REMOTE = {"family": 2, "node": "", "service": ""}
SUBJECT = [("saslUsername", "fred")]
IO_ERROR = {"device": "", "node-name": "libvirt-2-format", "operation": "write", "action": "stop"}
THRESHOLD = {"node-name": "libvirt-2-storage", "write-threshold": 65536, "amount-exceeded": 131072}


@pytest.mark.parametrize(
    ("event", "data", "id_", "expected"),
    [
        ("WATCHDOG", {"action": "none"}, 3, [(0,)]),
        ("WATCHDOG", {"action": "pause"}, 3, [(1,)]),
        ("WATCHDOG", {"action": "reset"}, 3, [(2,)]),
        ("WATCHDOG", {"action": "poweroff"}, 3, [(3,)]),
        ("WATCHDOG", {"action": "shutdown"}, 3, [(4,)]),
        ("WATCHDOG", {"action": "inject-nmi"}, 3, [(6,)]),
        ("BLOCK_IO_ERROR", {**IO_ERROR, "nospace": True}, 4, [("/a.img", "virtio-disk0", 1)]),
        ("BLOCK_IO_ERROR", {**IO_ERROR, "nospace": True}, 6, [("/a.img", "virtio-disk0", 1, "enospc")]),
        ("BLOCK_IO_ERROR", {**IO_ERROR, "action": "report"}, 6, [("/a.img", "virtio-disk0", 2, "")]),
        ("VNC_CONNECTED", ENDS, 5, [(0, LOCAL, REMOTE, "none", SUBJECT)]),
        ("VNC_INITIALIZED", ENDS, 5, [(1, LOCAL, REMOTE, "none", SUBJECT)]),
        ("VNC_DISCONNECTED", ENDS, 5, [(2, LOCAL, REMOTE, "none", SUBJECT)]),
        ("DEVICE_TRAY_MOVED", {"device": "", "id": "ide0-0-0", "tray-open": True}, 10, [("ide0-0-0", 0)]),
        ("DEVICE_TRAY_MOVED", {"device": "", "id": "ide0-0-0", "tray-open": False}, 10, [("ide0-0-0", 1)]),
        ("DEVICE_TRAY_MOVED", {"device": "", "id": "strange", "tray-open": False}, 10, []),
        ("WAKEUP", {}, 11, [(0,)]),
        ("SUSPEND", {}, 12, [(0,)]),
        ("SUSPEND", {}, 14, []),
        ("SUSPEND_DISK", {}, 14, [(0,)]),
        ("BALLOON_CHANGE", {"actual": 52428801}, 13, [(51201,)]),
        (
            "BLOCK_WRITE_THRESHOLD",
            THRESHOLD,
            24,
            [("vda", "/a.img", 65536, 131072), ("vda[2]", "/a.img", 65536, 131072)],
        ),
        (
            "MEMORY_FAILURE",
            {
                "recipient": "guest",
                "action": "inject",
                "flags": {"action-required": True, "recursive": True},
            },
            25,
            [(1, 1, 3)],
        ),
        ("NIC_RX_FILTER_CHANGED", {"path": "/x"}, 0, []),
    ],
)
def test_an_event_of_qemus_is_told_with_libvirts_arguments(
    event: str, data: dict[str, Any], id_: int, expected: list[tuple[Any, ...]]
) -> None:
    """In libvirt-python's order, between the domain and opaque; ``id_`` is the event's number there."""
    kind = KINDS[id_]
    told = heard.told({"event": event, "data": data}, WHO, DOMAIN)
    mine = [each for each in told if isinstance(each, kind.message) and kind.wants(each)]
    assert [kind.arguments(each) for each in mine] == expected
    assert all((each.name, each.uuid, each.id) == WHO for each in told)


def test_a_device_that_left_and_one_that_did_not_are_two_events() -> None:
    """Of one message; and one that came has a third."""
    left, stayed = DeviceRemoved(*WHO, "net0"), DeviceRemoved(*WHO, "net0", True)
    for told, wanted in ((left, [15]), (stayed, [22]), (DeviceAdded(*WHO, "net0"), [19])):
        mine = [id_ for id_, kind in KINDS.items() if isinstance(told, kind.message) and kind.wants(told)]
        assert mine == wanted
        assert KINDS[wanted[0]].arguments(told) == ("net0",)


def test_every_event_of_libvirt_can_be_registered() -> None:
    """Its numbers have no gap; those that nothing causes are among them."""
    assert sorted(KINDS) == list(range(27))


def test_a_disk_is_found_by_target_number_and_file() -> None:
    """As libvirt finds it; an empty drive has no node."""
    node = blocks.find(DOMAIN, "vda")
    assert node is not None
    assert (node.image.node, node.image.storage) == ("libvirt-2-format", "libvirt-2-storage")
    assert blocks.find(DOMAIN, "vda[2]") == blocks.find(DOMAIN, "/a.img") == node
    assert blocks.find(DOMAIN, "hda") is None
