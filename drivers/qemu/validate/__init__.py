"""Rules across the fields of a domain that ``postparse`` has completed, a function for a noun.

Everything here is checked when a domain is defined; whether files exist is a matter of its start.
Codes are those libvirt 9.0 gives for the same XML.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from embervirt.drivers.qemu.model.controller import MODELS
from embervirt.drivers.qemu.model.disk import Disk, EncryptionSecret
from embervirt.drivers.qemu.model.domain import Devices, Domain
from embervirt.drivers.qemu.model.errors import MissingSource, MissingTarget, NameTooLong
from embervirt.drivers.qemu.model.postparse import disk_index
from embervirt.drivers.xml import MissingName
from embervirt.errors import ConfigUnsupported, XmlDetail, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

T = TypeVar("T")
MAX_NAME = 247
"""Bytes of a name: ``NAME.xml.new``, libvirt's temporary file, must be a file name of Linux."""
SERVED_BUSES = ("virtio", "ide", "sata")


def validate(domain: Domain, caps: Capabilities) -> None:
    """Raise what is wrong with the domain: XmlError and its leaves, ConfigUnsupported, NameTooLong."""
    _name(domain)
    _memory(domain)
    _machine(domain, caps)
    _vcpus(domain, caps)
    _cpu(domain)
    _lifecycle(domain)
    _disks(domain.devices.disks)
    _controllers(domain)
    _interfaces(domain, caps)
    _small_devices(domain)


def check_name(name: str) -> None:
    """The rules of a domain's name, also for a rename: it becomes a file's name."""
    if not name:
        raise MissingName()
    if "\n" in name:
        raise XmlDetail("invalid char in name: '\\n'; a name has one line")
    if "/" in name:
        raise XmlError(f"name {name[:100]} cannot contain '/'")
    if name in (".", ".."):
        raise XmlError(f"name '{name}' is that of a directory; expected another")
    length = len(name.encode(errors="replace"))
    if length > MAX_NAME:
        what = f"name {name[:40]}... is too long: {length} bytes in UTF-8; at most {MAX_NAME} are accepted"
        raise NameTooLong(what, int1=errno.ENAMETOOLONG)


def _name(domain: Domain) -> None:
    check_name(domain.name)
    if domain.title and "\n" in domain.title:
        raise XmlError("Domain title can't contain newlines")


def _memory(domain: Domain) -> None:
    if domain.memory <= 0:
        raise XmlError("Memory size must be specified via <memory>: more than 0")


def _machine(domain: Domain, caps: Capabilities) -> None:
    kind = domain.os.type
    if kind.arch != caps.arch:
        raise ConfigUnsupported(f"arch '{kind.arch}': emulator '{caps.binary}' is for '{caps.arch}'")
    if kind.machine not in caps.machines:
        known = ", ".join(sorted({*caps.aliases, *caps.machines}))
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support machine type '{kind.machine}'; it has: {known}"
        )
    if not kind.machine.startswith("pc-"):
        raise ConfigUnsupported(
            f"machine type '{kind.machine}' is not served; expected pc or q35 of any version"
        )
    if domain.type == "kvm" and not caps.kvm:
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support virt type 'kvm' on this host; expected type='qemu'"
        )


def _vcpus(domain: Domain, caps: Capabilities) -> None:
    vcpu = domain.vcpu
    most = caps.machines[domain.os.type.machine or ""].max_cpus
    if vcpu.count > most:
        raise ConfigUnsupported(f"Maximum CPUs greater than specified machine type limit {most}")
    if vcpu.current is not None and vcpu.current > vcpu.count:
        raise ConfigUnsupported("maximum vCPU count must not be less than current vCPU count")
    topology = domain.cpu.topology if domain.cpu else None
    if topology:
        product = topology.sockets * (topology.dies or 1) * topology.cores * topology.threads
        if product != vcpu.count:
            raise ConfigUnsupported(
                f"CPU topology has {product} CPUs, <vcpu> has {vcpu.count}; expected the same number"
            )


def _cpu(domain: Domain) -> None:
    if domain.cpu and domain.cpu.mode == "host-passthrough" and domain.type == "qemu":
        raise ConfigUnsupported(
            "CPU mode 'host-passthrough' needs <domain type='kvm'>; use 'maximum' or 'custom'"
        )


def _lifecycle(domain: Domain) -> None:
    ends = {"on_poweroff": domain.on_poweroff, "on_reboot": domain.on_reboot, "on_crash": domain.on_crash}
    for event, action in ends.items():
        if action == "rename-restart" or (action == "preserve" and event != "on_crash"):
            raise ConfigUnsupported(f"qemu driver doesn't support the '{action}' action for '{event}'")
    if (domain.on_poweroff, domain.on_reboot) == ("restart", "destroy"):
        raise ConfigUnsupported("qemu driver doesn't support on_reboot 'destroy' with on_poweroff 'restart'")


def _disks(disks: tuple[Disk, ...]) -> None:
    for disk in disks:
        _disk_target(disk)
        _disk_source(disk)
        _disk_driver(disk)
    _unique_targets(disks)
    places = [
        (disk.bus, a.controller, a.bus, a.unit) for disk in disks if (a := disk.address) and a.type == "drive"
    ]
    twice = _repeated(places)
    if twice:
        bus, controller, channel, unit = twice
        where = f"controller {controller}, bus {channel}, unit {unit}"
        raise XmlError(f"Found duplicate drive address for two disks on bus '{bus}': {where}")


def _disk_target(disk: Disk) -> None:
    if disk.target is None:
        raise MissingTarget(disk.file or "without a source")
    dev = disk.dev
    if disk_index(dev.rstrip("0123456789")) is None:
        raise XmlError(f"Unknown disk name '{dev[:40]}'; expected vda, sda, hda and so on")
    if disk_index(dev) is None:
        raise ConfigUnsupported(f"invalid disk target '{dev}', partitions can't appear in disk targets")
    if disk.bus not in SERVED_BUSES:
        served = ", ".join(SERVED_BUSES)
        raise ConfigUnsupported(f"disk '{dev}': bus '{disk.bus}' is not served; expected one of: {served}")
    if disk.device == "cdrom" and disk.bus == "virtio":
        raise ConfigUnsupported(
            f"disk type of '{dev}' does not support ejectable media; expected bus ide or sata"
        )
    expected = "pci" if disk.bus == "virtio" else "drive"
    if disk.address and disk.address.type != expected:
        raise ConfigUnsupported(
            f"disk '{dev}': a {disk.bus} disk has an address of type '{expected}', not '{disk.address.type}'"
        )


def _disk_source(disk: Disk) -> None:
    if not disk.file and disk.device == "disk":
        raise MissingSource(disk.dev)
    if disk.encrypted:
        _one_secret(disk.dev, disk.encrypted.secrets)


def _one_secret(dev: str, secrets: tuple[EncryptionSecret, ...]) -> None:
    if len(secrets) != 1:
        raise XmlError(f"disk '{dev}': encryption 'luks' needs one <secret>, {len(secrets)} are there")
    if not secrets[0].uuid and not secrets[0].usage:
        raise XmlError(f"disk '{dev}': missing secret uuid or usage attribute")
    if secrets[0].uuid and secrets[0].usage:
        raise XmlError(f"disk '{dev}': either secret uuid or usage expected, not both")


def _disk_driver(disk: Disk) -> None:
    driver = disk.driver
    if driver is None:
        return
    if driver.io == "native" and driver.cache not in ("none", "directsync"):
        raise ConfigUnsupported(
            f"disk '{disk.dev}': io='native' needs either no disk cache or directsync cache mode"
        )
    if disk.shareable and driver.type != "raw":
        raise ConfigUnsupported(
            f"shared access for disk '{disk.dev}' requires use of supported storage format: raw"
        )


def _unique_targets(disks: tuple[Disk, ...]) -> None:
    seen: dict[str, Disk] = {}
    for disk in disks:
        other = seen.setdefault(disk.dev, disk)
        if other is not disk:
            raise XmlError(
                f"target '{disk.dev}' duplicated for disk sources '{other.file}' and '{disk.file}'"
            )


def _controllers(domain: Domain) -> None:
    for controller in domain.devices.controllers:
        models = MODELS[controller.type]
        if (controller.model or None) not in (models or (None,)):
            accepted = ", ".join(models) or "none"
            what = f"controller '{controller.type}': model '{controller.model}' is not served"
            raise ConfigUnsupported(f"{what}; expected: {accepted}")
    twice = _repeated([(controller.type, controller.index) for controller in domain.devices.controllers])
    if twice:
        raise XmlError(f"Multiple '{twice[0]}' controllers with index '{twice[1]}'")


def _interfaces(domain: Domain, caps: Capabilities) -> None:
    for interface in domain.devices.interfaces:
        address = interface.mac.address if interface.mac else ""
        if address and int(address[:2], 16) & 1:
            raise XmlError(f"expected unicast mac address, found multicast '{address}'")
        model = interface.model.type if interface.model else ""
        device = "virtio-net-pci" if model == "virtio" else model
        if device not in caps.devices:
            raise ConfigUnsupported(f"interface {address}: '{caps.binary}' has no network card '{model}'")


def _small_devices(domain: Domain) -> None:
    devices = domain.devices
    if len(devices.memballoons) > 1:
        raise ConfigUnsupported("only a single memory balloon device is supported")
    if len(devices.consoles) > 1:
        raise ConfigUnsupported("Only the first console can be a serial port")
    for serial in devices.serials:
        if serial.type == "file" and not (serial.source and serial.source.path):
            raise XmlError(
                f"serial port {serial.port}: Missing source path attribute for char device of type 'file'"
            )
    twice = _repeated(_aliases(devices))
    if twice:
        raise XmlError(f"non unique alias detected: {twice}")


def _aliases(devices: Devices) -> list[str]:
    found = [disk.alias for disk in devices.disks]
    found += [controller.alias for controller in devices.controllers]
    found += [interface.alias for interface in devices.interfaces]
    found += [serial.alias for serial in devices.serials]
    found += [balloon.alias for balloon in devices.memballoons]
    found += [rng.alias for rng in devices.rngs]
    return [alias.name for alias in found if alias]


def _repeated(items: Sequence[T]) -> T | None:
    return next((item for number, item in enumerate(items) if item in items[:number]), None)
