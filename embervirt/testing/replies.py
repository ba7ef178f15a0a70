"""What the fake QEMU answers to questions: who it is, what it can do, what it has.

The shapes are QEMU's; the lists hold what embervirt uses of QEMU 7.2, under its names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """What a QEMU is started with, as far as its monitor tells of it.

    ``chardevs`` are entries of ``query-chardev``, ``stopped`` is ``-S``, ``stays`` is ``-no-shutdown``;
    ``devices`` are ids and drivers of the devices that have an id.
    """

    name: str | None = None
    uuid: str = "00000000-0000-0000-0000-000000000000"
    cpus: int = 1
    chardevs: tuple[dict[str, Any], ...] = ()
    thread: int = 0
    stopped: bool = True
    stays: bool = True
    devices: tuple[tuple[str, str], ...] = ()
    version: tuple[int, int, int] = (7, 2, 0)


Answer = Callable[[Facts, str, dict[str, Any]], Any]
"""Gets the status and the question's arguments too."""

DEVICES = """
    AC97 ES1370 VGA cirrus-vga e1000 e1000e hda-duplex hda-micro hda-output i6300esb ich9-ahci
    ich9-intel-hda ich9-usb-ehci1 ich9-usb-uhci1 ide-cd ide-hd intel-hda ioh3420 isa-serial lsi53c895a
    nec-usb-xhci nvdimm nvme pci-bridge pcie-pci-bridge pcie-root-port pc-dimm piix3-usb-uhci pvpanic
    qemu-xhci qxl qxl-vga rtl8139 scsi-cd scsi-hd usb-kbd usb-mouse usb-tablet vfio-pci vhost-vsock-pci
    virtio-9p-pci virtio-balloon-pci virtio-blk-pci virtio-gpu-pci virtio-keyboard-pci virtio-mouse-pci
    virtio-net-pci virtio-rng-pci virtio-scsi-pci virtio-serial-pci virtio-tablet-pci virtio-vga virtconsole
    virtserialport vmcoreinfo
""".split()  # noqa: SIM905
"""A choice of what ``-device`` takes."""

OBJECTS = """
    authz-simple iothread memory-backend-file memory-backend-memfd memory-backend-ram pr-manager-helper
    rng-builtin rng-egd rng-random secret throttle-group tls-creds-x509
""".split()  # noqa: SIM905
"""A choice of what ``-object`` takes."""

TYPES = {"device": ("device", DEVICES), "user-creatable": ("object", OBJECTS)}
ARGUMENTS = {"qom-list-types": ("implements", "abstract"), "query-cpu-model-expansion": ("type", "model")}
"""Arguments of the questions that have some."""


def version(numbers: tuple[int, int, int]) -> dict[str, Any]:
    """As in the greeting and in ``query-version``."""
    major, minor, micro = numbers
    return {"qemu": {"micro": micro, "minor": minor, "major": major}, "package": "embervirt.testing"}


def _machines(facts: Facts, _: str, __: object) -> list[dict[str, Any]]:
    number = ".".join(map(str, facts.version[:2]))
    return [
        _machine("none", 1, "ram"),
        _machine(f"pc-q35-{number}", 288, "pc.ram", alias="q35"),
        _machine(f"pc-i440fx-{number}", 255, "pc.ram", alias="pc") | {"is-default": True},
        _machine("microvm", 288, "microvm.ram"),
    ]


def _machine(name: str, cpus: int, ram: str, **alias: str) -> dict[str, Any]:
    plain = {"hotpluggable-cpus": bool(alias), "numa-mem-supported": False, "deprecated": False}
    return {"name": name, "cpu-max": cpus, "default-ram-id": ram, **plain, **alias}


def _types(_: Facts, __: str, arguments: dict[str, Any]) -> list[dict[str, str]]:
    parent, names = TYPES.get(arguments.get("implements", ""), ("object", []))
    return [{"name": name, "parent": parent} for name in names]


def _status(_: Facts, status: str, __: object) -> dict[str, Any]:
    return {"status": status, "singlestep": False, "running": status == "running"}


def _cpus(facts: Facts, _: str, __: object) -> list[dict[str, Any]]:
    return [_cpu(facts.thread, number) for number in range(facts.cpus)]


def _cpu(thread: int, number: int) -> dict[str, Any]:
    props = {"core-id": number, "thread-id": 0, "socket-id": 0}
    path = f"/machine/unattached/device[{number}]"
    place = {"cpu-index": number, "qom-path": path, "target": "x86_64"}
    return {"thread-id": thread, "props": props, **place}


def _cpu_models(_: Facts, __: str, ___: object) -> list[dict[str, Any]]:
    plain = {"static": False, "migration-safe": True, "deprecated": False, "unavailable-features": []}
    return [{"name": name, "typename": f"{name}-x86_64-cpu", **plain} for name in ("max", "qemu64")]


def _cpu_expansion(_: Facts, __: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Any model is the same processor."""
    made = {"vendor": "AuthenticAMD", "family": 15, "model": 107, "stepping": 1, "sse2": True}
    props = made if arguments["type"] == "full" else {"sse2": True}
    return {"model": {"name": "base" if arguments["type"] == "static" else "max", "props": props}}


def _nothing(_: Facts, __: str, ___: object) -> list[Any]:
    return []


ANSWERS: dict[str, Answer] = {
    "query-block": _nothing,
    "query-block-jobs": _nothing,
    "query-chardev": lambda facts, *_: list(facts.chardevs),
    "query-cpu-definitions": _cpu_models,
    "query-cpu-model-expansion": _cpu_expansion,
    "query-cpus-fast": _cpus,
    "query-iothreads": _nothing,
    "query-jobs": _nothing,
    "query-kvm": lambda *_: {"enabled": False, "present": True},
    "query-machines": _machines,
    "query-memory-devices": _nothing,
    "query-name": lambda facts, *_: {} if facts.name is None else {"name": facts.name},
    "query-named-block-nodes": _nothing,
    "query-status": _status,
    "query-target": lambda *_: {"arch": "x86_64"},
    "query-uuid": lambda facts, *_: {"UUID": facts.uuid},
    "query-version": lambda facts, *_: version(facts.version),
    "qom-list-types": _types,
}
"""Questions, and what answers them."""
