"""The machine itself: everything that is there before the first device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import MachineOptions, Object, Option, Part
from embervirt.drivers.qemu.parts.render import options
from embervirt.drivers.qemu.parts.secret import master_key

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

_MIB = 1024 * 1024
LISTENING = {"server": True, "wait": False}


def parts(build: Build) -> Iterable[Part]:
    """From the name to the boot options, in libvirt's order."""
    domain, caps, ctx = build.domain, build.caps, build.run
    yield Option("name", options(f"guest={domain.name}", {"debug-threads": True}))
    yield Option("S")
    yield master_key(ctx.domain_dir)
    yield from _machine(domain, caps, ctx)
    yield Option("smp", _smp(domain))
    yield Option("uuid", domain.uuid)
    if not domain.devices.graphics:
        yield Option("display", "none")
    yield from (Option("no-user-config"), Option("nodefaults"))
    yield Option("chardev", options("socket", {"id": "charmonitor", **_monitor(ctx), **LISTENING}))
    yield Option("mon", "chardev=charmonitor,id=monitor,mode=control")
    yield Option("rtc", f"base={domain.clock.offset}")
    yield Option("no-shutdown")
    if not _acpi(domain) and not _acpi_is_a_property(caps):
        yield Option("no-acpi")
    yield Option("boot", "strict=on")
    yield from _kernel(domain)


def _monitor(ctx: CompileContext) -> dict[str, object]:
    if ctx.monitor_fd is not None:
        return {"fd": ctx.monitor_fd}
    return {"path": f"{ctx.domain_dir}/monitor.sock"}


def _acpi(domain: Domain) -> bool:
    return domain.features is not None and domain.features.acpi


def _acpi_is_a_property(caps: Capabilities) -> bool:
    """``-no-acpi`` was deprecated in QEMU 8.0 and is gone in 9.0: ``-machine acpi=off``."""
    return caps.version >= (8, 0, 0)


def _machine(domain: Domain, caps: Capabilities, ctx: CompileContext) -> Iterator[Part]:
    name = domain.os.type.machine or ""
    ram = caps.machines[name].default_ram_id
    props = {"usb": "off", "dump-guest-core": "off"}
    if ram:
        props["memory-backend"] = ram
    if not _acpi(domain) and _acpi_is_a_property(caps):
        props["acpi"] = "off"
    yield MachineOptions(name, props)
    yield Option("accel", "kvm" if domain.type == "kvm" else "tcg")
    if domain.cpu:
        yield Option("cpu", _cpu(domain))
    mib = -(-domain.memory // 1024)
    yield Option("m", str(mib))
    if ram:
        yield _memory(domain, ram, mib * _MIB, ctx)
    yield Option("overcommit", "mem-lock=off")


def _cpu(domain: Domain) -> str:
    cpu = domain.cpu
    if cpu is None or cpu.model is not None:
        return cpu.model.name if cpu and cpu.model else ""
    if cpu.mode == "maximum":
        return "max"
    return "host" if cpu.migratable is None else options("host", {"migratable": cpu.migratable})


def _memory(domain: Domain, id_: str, size: int, ctx: CompileContext) -> Object:
    backing = domain.memory_backing
    share = {"share": backing.access.mode == "shared"} if backing and backing.access else {}
    stable = {"x-use-canonical-path-for-ramblock-id": False}
    if domain.memory_in_file:
        file = {"mem-path": str(Path(ctx.ram_path) / id_)}
        return Object("memory-backend-file", id_, {**file, **share, **stable, "size": size})
    if backing and backing.source and backing.source.type == "memfd":
        return Object("memory-backend-memfd", id_, {**share, **stable, "size": size})
    return Object("memory-backend-ram", id_, {"size": size})


def _smp(domain: Domain) -> str:
    most, now = domain.vcpu.count, domain.vcpus
    topology = domain.cpu.topology if domain.cpu else None
    dies = {"dies": topology.dies} if topology and topology.dies else {}
    return options(
        str(now),
        {
            **({"maxcpus": most} if now != most else {}),
            "sockets": topology.sockets if topology else most,
            **dies,
            "cores": topology.cores if topology else 1,
            "threads": topology.threads if topology else 1,
        },
    )


def _kernel(domain: Domain) -> Iterator[Part]:
    given = {"kernel": domain.os.kernel, "initrd": domain.os.initrd, "append": domain.os.cmdline}
    yield from (Option(name, value) for name, value in given.items() if value)
