"""Capabilities of a QEMU 7.2 with the two machines that are served."""

from __future__ import annotations

import pytest

from embervirt.drivers.qemu.capabilities import Capabilities, Machine


def _machine(name: str, alias: str | None, max_cpus: int) -> Machine:
    return Machine(
        name=name,
        alias=alias,
        default_ram_id="pc.ram",
        max_cpus=max_cpus,
        deprecated=False,
        default=alias == "pc",
    )


@pytest.fixture(scope="session")
def caps() -> Capabilities:
    """As Debian 12's binary answers, shortened."""
    machines = (
        *(_machine("pc-i440fx-7.2", "pc", 255), _machine("pc-q35-7.2", "q35", 288)),
        *(_machine("pc-i440fx-7.1", None, 255), _machine("isapc", None, 1)),
    )
    return Capabilities(
        binary="/usr/bin/qemu-system-x86_64",
        version=(7, 2, 22),
        arch="x86_64",
        machines={machine.name: machine for machine in machines},
        aliases={machine.alias: machine.name for machine in machines if machine.alias},
        devices=frozenset(
            {
                *("virtio-net-pci", "virtio-net-pci-transitional", "e1000", "rtl8139"),
                *("piix3-usb-uhci", "piix4-usb-uhci", "qemu-xhci", "nec-usb-xhci", "usb-ehci", "pci-ohci"),
                *("ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "usb-hub"),
            }
        ),
        objects=frozenset({"secret", "memory-backend-ram", "memory-backend-file", "rng-random"}),
        commands=frozenset({"device_add", "blockdev-add"}),
        kvm=True,
    )
