"""Devices that come, go and change."""

from __future__ import annotations

from embervirt.drivers.qemu import messages, plugging
from embervirt.drivers.qemu.model import Interface
from embervirt.drivers.qemu.plugging import Verb
from embervirt.drivers.xml import render
from embervirt.libvirt.domain import impact
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

FORCE = 4
"""``VIR_DOMAIN_DEVICE_MODIFY_FORCE``: a locked tray is opened all the same."""


class Plugging(Handle):
    """The part of ``virDomain`` that concerns single devices."""

    def attachDevice(self, xml: str) -> int:
        """To the running guest. Raises OperationInvalid when it does not run, else as the Flags variant."""
        return self.attachDeviceFlags(xml, impact.LIVE)

    def attachDeviceFlags(self, xml: str, flags: int = 0) -> int:
        """One more device, described as in a domain's XML; to the guest (1), its definition (2), or both.

        Raises XmlError, ConfigUnsupported, DomainOperationUnsupported, OperationInvalid, MonitorError.
        """
        return self._plug(Verb.ATTACH, xml, flags, "attachDeviceFlags")

    def detachDevice(self, xml: str) -> int:
        """From the running guest."""
        return self.detachDeviceFlags(xml, impact.LIVE)

    def detachDeviceFlags(self, xml: str, flags: int = 0) -> int:
        """One device less. A guest has five seconds to give it back; what comes later is event 15.

        Raises NoDevice, DomainOperationUnsupported, OperationFailed when the guest refuses.
        """
        return self._plug(Verb.DETACH, xml, flags, "detachDeviceFlags")

    def detachDeviceAlias(self, alias: str, flags: int = 0) -> int:
        """The same, by the device's alias. Raises InternalError when there is none."""
        only(flags, impact.AFFECT, "detachDeviceAlias")
        return self._change(Verb.DETACH_ALIAS, alias, flags)

    def updateDeviceFlags(self, xml: str, flags: int = 0) -> int:
        """Another medium in a drive, a link's state, a screen's password; in a definition, anything of these.

        Raises DomainOperationUnsupported for what cannot change.
        """
        return self._plug(Verb.UPDATE, xml, flags & ~FORCE, "updateDeviceFlags")

    def _plug(self, verb: Verb, xml: str, flags: int, function: str) -> int:
        only(flags, impact.AFFECT, function)
        self._conn._check_writable(f"virDomain{function[0].upper()}{function[1:]}")
        impact.of(self, flags)
        device = plugging.read(xml)
        if isinstance(device, Interface) and verb is Verb.ATTACH:
            device = self._face.with_mac(device)  # the same one for the guest and its definition
        return self._change(verb, render(device), flags)

    def _change(self, verb: Verb, text: str, flags: int) -> int:
        wanted = impact.of(self, flags)
        if wanted.config and wanted.live:
            self._check_definition(verb, text)
        if wanted.live:
            self._call(messages.Plug(verb, text))
        if wanted.config:
            self._conn._check_writable("virDomainDefineXML")
            self._face.bus.call("qemu", messages.Replug(self._uuid, verb, text))
        return 0

    def _check_definition(self, verb: Verb, text: str) -> None:
        """What the definition would refuse is refused before the guest is touched."""
        definition = self._definition()
        if definition is not None:
            caps = self._face.capabilities(definition.domain.devices.emulator)
            plugging.redefined(definition.domain, verb, text, caps)
