"""Another libvirtd's drivers in place of a root's own, asked through libvirt-python (docs/system-drivers.md).

``Libvirtd`` is the connection, on threads of its own; ``Asking`` is what an actor asks it with.
"""

from embervirt.drivers.libvirtd.asking import Asking, elsewhere, requests
from embervirt.drivers.libvirtd.connection import Libvirtd

__all__ = ["Asking", "Libvirtd", "elsewhere", "requests"]
