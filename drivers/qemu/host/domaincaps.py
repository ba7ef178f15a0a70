"""``virConnectGetDomainCapabilities``: what a domain of one emulator and machine can have."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embervirt.drivers.qemu import firmware
from embervirt.drivers.qemu.capabilities import Accelerator, Capabilities, CpuDefinition
from embervirt.drivers.qemu.cpu.decode import host_model
from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.cpu.resolve import settable
from embervirt.drivers.qemu.host.tree import Node, enum, leaf, node, text_of, yes

VIRTIO = ("virtio", "virtio-transitional", "virtio-non-transitional")
BUSES = {"scsi": "scsi-hd", "virtio": "virtio-blk-pci", "usb": "usb-storage", "sata": "ich9-ahci"}
VIDEOS = {
    "vga": "VGA",
    "cirrus": "cirrus-vga",
    "vmvga": "vmware-svga",
    "qxl": "qxl",
    "virtio": "virtio-gpu-pci",
    "none": "",
    "bochs": "bochs-display",
    "ramfb": "ramfb",
}
"""Words of libvirt's XML, by the device of QEMU that there must be (none when empty)."""

TPMS = {"tpm-tis": "tpm-tis", "tpm-crb": "tpm-crb"}


Enums = Mapping[str, Sequence[str]]
"""Accepted words by the name of their list."""


@dataclass(frozen=True)
class Wanted:
    """The question: ``machine`` is a canonical name, ``kind`` a domain's type."""

    caps: Capabilities
    arch: str
    machine: str
    kind: str


def domain_capabilities(wanted: Wanted) -> str:
    """The XML."""
    caps = wanted.caps
    return text_of(
        node(
            "domainCapabilities",
            {},
            leaf("path", caps.binary),
            leaf("domain", wanted.kind),
            leaf("machine", wanted.machine),
            leaf("arch", wanted.arch),
            node("vcpu", {"max": caps.machines[wanted.machine].max_cpus}),
            node("iothreads", {"supported": yes("iothread" in caps.objects)}),
            _os(wanted),
            _cpu(settable(caps, wanted.kind), wanted.kind == "kvm"),
            _memory(caps),
            _devices(wanted),
            _features(caps),
        )
    )


def _os(wanted: Wanted) -> Node:
    found = firmware.summary(firmware.known(), wanted.arch, wanted.machine)
    loader = node(
        "loader",
        {"supported": "yes"},
        *(leaf("value", path) for path in found["loaders"]),
        enum("type", ("rom", "pflash")),
        enum("readonly", ("yes", "no")),
        enum("secure", ("yes", "no") if found["secure"] else ("no",)),
    )
    return node("os", {"supported": "yes"}, enum("firmware", found["kinds"]), loader)


def _cpu(accelerator: Accelerator, kvm: bool) -> Node:
    switch = ("on", "off")
    passthrough = (enum("hostPassthroughMigratable", switch),) if kvm else ()
    known = [cpu for cpu in accelerator.cpus if cpu.name in cpu_map().models]
    return node(
        "cpu",
        {},
        node("mode", {"name": "host-passthrough", "supported": yes(kvm)}, *passthrough),
        node("mode", {"name": "maximum", "supported": "yes"}, enum("maximumMigratable", switch)),
        _host_model(accelerator),
        node("mode", {"name": "custom", "supported": "yes"}, *map(_model, known)),
    )


def _host_model(accelerator: Accelerator) -> Node:
    found = host_model(accelerator, migratable=False)
    name = {"name": "host-model"}
    if found is None:
        return node("mode", {**name, "supported": "no"})
    policies: Mapping[str, tuple[str, ...]] = {"require": found.require, "disable": found.disable}
    features = (
        node("feature", {"policy": policy, "name": each})
        for policy, names in policies.items()
        for each in names
    )
    vendor = leaf("vendor", found.vendor) if found.vendor else None
    model = leaf("model", found.model, {"fallback": "forbid"})
    return node("mode", {**name, "supported": "yes"}, model, vendor, *features)


def _model(cpu: CpuDefinition) -> Node:
    vendor = cpu_map().models[cpu.name].vendor or "unknown"
    old = {"deprecated": "yes"} if cpu.deprecated else {}
    return leaf("model", cpu.name, {"usable": yes(cpu.usable), "vendor": vendor, **old})


def _memory(caps: Capabilities) -> Node:
    memfd = ("memfd",) if "memory-backend-memfd" in caps.objects else ()
    return node("memoryBacking", {"supported": "yes"}, enum("sourceType", ("file", "anonymous", *memfd)))


def _devices(wanted: Wanted) -> Node:
    devices = wanted.caps.devices
    pc = wanted.machine.startswith(("pc-i440fx", "isapc"))
    buses = [bus for bus, driver in BUSES.items() if driver in devices]
    videos = [word for word, driver in VIDEOS.items() if not driver or driver in devices]
    disks = ("disk", "cdrom", "floppy", "lun")
    known: dict[str, Enums] = {
        "disk": {"diskDevice": disks, "bus": [*(["ide"] if pc else []), "fdc", *buses], "model": VIRTIO},
        "graphics": {"type": ("sdl", "vnc", "spice", "egl-headless", "dbus")},
        "video": {"modelType": videos},
        "hostdev": {
            "mode": ("subsystem",),
            "startupPolicy": ("default", "mandatory", "requisite", "optional"),
            "subsysType": ("usb", "pci", "scsi"),
            "capsType": (),
            "pciBackend": (),
        },
        "rng": {"model": VIRTIO, "backendModel": ("random", "egd", "builtin")},
        "filesystem": {"driverType": ("path", "handle", "virtiofs")},
        "tpm": _tpm(wanted.caps),
        "redirdev": {"bus": ("usb",)},
        "channel": {"type": ("pty", "unix", "spicevmc")},
    }
    return node("devices", {}, *(_device(name, enums) for name, enums in known.items()))


def _device(name: str, enums: Enums) -> Node:
    return node(name, {"supported": "yes"}, *(enum(word, values) for word, values in enums.items()))


def _tpm(caps: Capabilities) -> Enums:
    models = [word for word, driver in TPMS.items() if driver in caps.devices]
    if shutil.which("swtpm") is None or shutil.which("swtpm_setup") is None:
        return {"model": models, "backendModel": ("passthrough",)}
    backends = ("passthrough", "emulator", "external")
    return {"model": models, "backendModel": backends, "backendVersion": ("1.2", "2.0")}


def _features(caps: Capabilities) -> Node:
    return node(
        "features",
        {},
        node("gic", {"supported": "no"}),
        node("vmcoreinfo", {"supported": yes("vmcoreinfo" in caps.devices)}),
        node("genid", {"supported": yes("vmgenid" in caps.devices)}),
        node("backingStoreInput", {"supported": "yes"}),
        node("backup", {"supported": "yes"}),
        node("sev", {"supported": "no"}),
        node("sgx", {"supported": "no"}),
        node("hyperv", {"supported": "yes"}, enum("features", ("spinlocks", "vendor_id"))),
    )
