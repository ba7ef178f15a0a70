"""The machine itself: everything that is there before the first device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts import clock, cpu, firmware, memory, sound, sysinfo, tuning
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import MachineOptions, Option, Part
from embervirt.drivers.qemu.parts.render import options
from embervirt.drivers.qemu.parts.secret import master_key

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

LISTENING = {"server": True, "wait": False}
WAITING = {"server": True, "wait": True}
"""For a client who is in the queue already: taken before anything else. QEMU 7.2 moves the socket to another
thread later; when both see the client, the loser hangs in its accept for ever, or QEMU crashes.
"""

IRQCHIP: dict[str | None, str] = {"kvm": "on", "qemu": "split"}
"""``kernel_irqchip`` by the driver of ``<ioapic>``."""


def parts(build: Build) -> Iterable[Part]:
    """From the name to the boot options, in libvirt's order."""
    domain, caps, ctx = build.domain, build.caps, build.run
    yield Option("name", options(f"guest={domain.name}", {"debug-threads": True}))
    yield Option("S")
    yield master_key(ctx.domain_dir)
    yield from firmware.nodes(build)
    properties = {**_properties(domain, caps), **sound.speaker(build)}
    yield MachineOptions(domain.os.type.machine or "", properties)
    yield Option("accel", _accel(domain))
    if domain.cpu:
        yield Option("cpu", cpu.text(domain))
    yield from firmware.parts(domain)
    yield from memory.parts(build)
    yield Option("smp", cpu.smp(domain))
    yield from memory.nodes(build)
    yield from tuning.iothreads(domain)
    yield Option("uuid", domain.uuid)
    yield from sysinfo.parts(domain)
    if not build.domain.devices.graphics:
        yield Option("display", "none")
    yield from (Option("no-user-config"), Option("nodefaults"))
    yield Option("chardev", options("socket", {"id": "charmonitor", **_monitor(ctx)}))
    yield Option("mon", "chardev=charmonitor,id=monitor,mode=control")
    yield from clock.parts(build)
    yield Option("no-shutdown")
    yield from clock.power(domain)
    if not _acpi(domain) and not _acpi_is_a_property(caps):
        yield Option("no-acpi")
    yield Option("boot", _boot(domain))
    yield from _kernel(domain)


def _monitor(ctx: CompileContext) -> dict[str, object]:
    if ctx.monitor_fd is not None:
        return {"fd": ctx.monitor_fd, **WAITING}
    return {"path": f"{ctx.domain_dir}/monitor.sock", **LISTENING}


def _acpi(domain: Domain) -> bool:
    return domain.features is not None and domain.features.acpi


def _acpi_is_a_property(caps: Capabilities) -> bool:
    """``-no-acpi`` was deprecated in QEMU 8.0 and is gone in 9.0: ``-machine acpi=off``."""
    return caps.version >= (8, 0, 0)


def _properties(domain: Domain, caps: Capabilities) -> dict[str, str]:
    """Of the machine. A property is a bus of its own for what no device makes."""
    features, backing = domain.features, domain.memory_backing
    given: dict[str, Any] = {"usb": False}
    if features:
        given["vmport"] = features.vmport.state if features.vmport else None
        given["smm"] = features.smm.state if features.smm else None
        given["kernel_irqchip"] = IRQCHIP.get(features.ioapic.driver) if features.ioapic else None
    given["dump-guest-core"] = bool(domain.dump_core)
    given["mem-merge"] = False if backing and backing.no_share_pages else None
    given |= firmware.flashes(domain)
    if _hmat(domain):
        given["hmat"] = True
    if not domain.cells:
        given["memory-backend"] = caps.machines[domain.os.type.machine or ""].default_ram_id
    if not _acpi(domain) and _acpi_is_a_property(caps):
        given["acpi"] = False
    if domain.clock.without_hpet and clock.hpet_is_a_property(caps):
        given["hpet"] = False
    words = {True: "on", False: "off"}
    return {
        name: words[value] if isinstance(value, bool) else value
        for name, value in given.items()
        if value is not None
    }


def _hmat(domain: Domain) -> bool:
    numa = domain.cpu.numa if domain.cpu else None
    return numa is not None and (numa.interconnects is not None or any(cell.caches for cell in numa.cells))


def _accel(domain: Domain) -> str:
    features = domain.features
    if domain.type == "kvm":
        ring = features.kvm.dirty_ring if features and features.kvm else None
        return options("kvm", {"dirty-ring-size": ring.size} if ring and ring.state else {})
    cache = features.tcg.tb_cache if features and features.tcg else None
    return options("tcg", {} if cache is None else {"tb-size": cache // 1024})


def _boot(domain: Domain) -> str:
    menu, bios = domain.os.bootmenu, domain.os.bios
    given: dict[str, Any] = {}
    if menu and menu.enable is not None:
        given["menu"] = menu.enable
        if menu.enable and menu.timeout is not None:
            given["splash-time"] = menu.timeout
    if bios and bios.reboot_timeout is not None:
        given["reboot-timeout"] = bios.reboot_timeout
    return options("strict=on", given)


def _kernel(domain: Domain) -> Iterator[Part]:
    os = domain.os
    given = {"kernel": os.kernel, "initrd": os.initrd, "append": os.cmdline, "dtb": os.dtb}
    yield from (Option(name, value) for name, value in given.items() if value)
    if os.acpi and os.acpi.table:
        yield Option("acpitable", options("sig=SLIC", {"file": os.acpi.table.path}))
