"""Devices that come and go: what a domain becomes by one more, one less, or another device (pure).

The same for a definition and for a running guest; what QEMU is told then are the device's parts.
"""

from embervirt.drivers.qemu.plugging.attach import plugged
from embervirt.drivers.qemu.plugging.detach import by_alias, unplugged, without
from embervirt.drivers.qemu.plugging.kinds import read
from embervirt.drivers.qemu.plugging.update import Media, Nothing, Password, Recabled, updated
from embervirt.drivers.qemu.plugging.verbs import Verb, redefined

__all__ = [
    "Media",
    "Nothing",
    "Password",
    "Recabled",
    "Verb",
    "by_alias",
    "plugged",
    "read",
    "redefined",
    "unplugged",
    "updated",
    "without",
]
