"""embervirt: libvirt's embedded mode in a Python process, with every driver a supervised actor.

``import embervirt as libvirt`` is meant to be enough::

    import embervirt as libvirt

    with libvirt.open("qemu:///embed?root=/var/lib/my-agent") as conn:
        domain = conn.createXML(open("guest.xml").read())
        print(domain.state(), domain.XMLDesc())

Classes, functions and constants have libvirt-python's names and numbers. Everything is loaded on
first use, so that ``import embervirt`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embervirt.constants import *
    from embervirt.errors import libvirtError as libvirtError
    from embervirt.libvirt.connect import virConnect as virConnect
    from embervirt.libvirt.domain import virDomain as virDomain
    from embervirt.libvirt.eventloop import virEventAddHandle as virEventAddHandle
    from embervirt.libvirt.eventloop import virEventAddTimeout as virEventAddTimeout
    from embervirt.libvirt.eventloop import virEventInvokeFreeCallback as virEventInvokeFreeCallback
    from embervirt.libvirt.eventloop import virEventRegisterDefaultImpl as virEventRegisterDefaultImpl
    from embervirt.libvirt.eventloop import virEventRegisterImpl as virEventRegisterImpl
    from embervirt.libvirt.eventloop import virEventRemoveHandle as virEventRemoveHandle
    from embervirt.libvirt.eventloop import virEventRemoveTimeout as virEventRemoveTimeout
    from embervirt.libvirt.eventloop import virEventRunDefaultImpl as virEventRunDefaultImpl
    from embervirt.libvirt.eventloop import virEventUpdateHandle as virEventUpdateHandle
    from embervirt.libvirt.eventloop import virEventUpdateTimeout as virEventUpdateTimeout
    from embervirt.libvirt.library import getVersion as getVersion
    from embervirt.libvirt.library import open as open
    from embervirt.libvirt.library import openAuth as openAuth
    from embervirt.libvirt.library import openReadOnly as openReadOnly
    from embervirt.libvirt.library import virInitialize as virInitialize
    from embervirt.libvirt.network import virNetwork as virNetwork
    from embervirt.libvirt.network import virNetworkPort as virNetworkPort
    from embervirt.libvirt.network import virNWFilter as virNWFilter
    from embervirt.libvirt.reporting import registerErrorHandler as registerErrorHandler
    from embervirt.libvirt.reporting import virGetLastError as virGetLastError
    from embervirt.libvirt.reporting import virGetLastErrorCode as virGetLastErrorCode
    from embervirt.libvirt.reporting import virGetLastErrorDomain as virGetLastErrorDomain
    from embervirt.libvirt.reporting import virGetLastErrorMessage as virGetLastErrorMessage
    from embervirt.libvirt.reporting import virResetLastError as virResetLastError
    from embervirt.libvirt.secrets import virSecret as virSecret
    from embervirt.libvirt.storage import virStoragePool as virStoragePool
    from embervirt.libvirt.storage import virStorageVol as virStorageVol
    from embervirt.libvirt.stream import virStream as virStream

__version__ = "0.1.0"

_HOMES = {
    "errors": ("libvirtError",),
    "libvirt.connect": ("virConnect",),
    "libvirt.domain": ("virDomain",),
    "libvirt.network": ("virNetwork", "virNetworkPort", "virNWFilter"),
    "libvirt.secrets": ("virSecret",),
    "libvirt.storage": ("virStoragePool", "virStorageVol"),
    "libvirt.stream": ("virStream",),
    "libvirt.eventloop": (
        "virEventAddHandle",
        "virEventAddTimeout",
        "virEventInvokeFreeCallback",
        "virEventRegisterDefaultImpl",
        "virEventRegisterImpl",
        "virEventRemoveHandle",
        "virEventRemoveTimeout",
        "virEventRunDefaultImpl",
        "virEventUpdateHandle",
        "virEventUpdateTimeout",
    ),
    "libvirt.library": ("getVersion", "open", "openAuth", "openReadOnly", "virInitialize"),
    "libvirt.reporting": (
        "registerErrorHandler",
        "virGetLastError",
        "virGetLastErrorCode",
        "virGetLastErrorDomain",
        "virGetLastErrorMessage",
        "virResetLastError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name.startswith(("VIR_", "LIBVIR_")):
        constants = vars(import_module(f"{__name__}.constants"))
        if name not in constants:
            raise AttributeError(f"module {__name__!r} has no constant {name!r}")
        value = constants[name]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    constants = import_module(f"{__name__}.constants")
    return sorted({*globals(), *_HOME_OF, *(name for name in vars(constants) if name.isupper())})
