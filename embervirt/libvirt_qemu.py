"""libvirt-python's module ``libvirt_qemu``: ``import embervirt.libvirt_qemu as libvirt_qemu`` serves one."""

from __future__ import annotations

from embervirt.constants._qemu import *  # noqa: F403
from embervirt.libvirt.qemu import qemuAgentCommand as qemuAgentCommand
from embervirt.libvirt.qemu import qemuAttach as qemuAttach
from embervirt.libvirt.qemu import qemuMonitorCommand as qemuMonitorCommand
from embervirt.libvirt.qemu import qemuMonitorCommandWithFiles as qemuMonitorCommandWithFiles
from embervirt.libvirt.qemu import qemuMonitorEventDeregister as qemuMonitorEventDeregister
from embervirt.libvirt.qemu import qemuMonitorEventRegister as qemuMonitorEventRegister
