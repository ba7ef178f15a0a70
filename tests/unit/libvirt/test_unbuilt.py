"""Calls that libvirt has and embervirt has not yet."""

from __future__ import annotations

import pytest

import embervirt as libvirt
from embervirt.libvirt import unbuilt


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (libvirt.virConnect, unbuilt.CONNECT),
        (libvirt.virDomain, unbuilt.DOMAIN),
        (libvirt.virSecret, unbuilt.SECRET),
        (libvirt.virStoragePool, unbuilt.POOL),
        (libvirt.virStorageVol, unbuilt.VOLUME),
        (libvirt.virNetwork, unbuilt.NETWORK),
        (libvirt.virNetworkPort, unbuilt.PORT),
    ],
)
def test_what_is_listed_as_unbuilt_is_not_built(cls: type, names: frozenset[str]) -> None:
    """A call leaves the list when it is built."""
    assert names & set(dir(cls)) == set()


def test_an_unbuilt_call_says_so_with_libvirts_code() -> None:
    """It raises VIR_ERR_NO_SUPPORT and never silently succeeds."""
    with pytest.raises(libvirt.libvirtError, match=r"migrate is not built yet") as caught:
        unbuilt.unbuilt("migrate", unbuilt.DOMAIN, object())(1, dest=2)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT


def test_what_libvirt_has_not_either_is_no_attribute() -> None:
    """hasattr tells the two apart."""
    with pytest.raises(AttributeError, match="fly"):
        unbuilt.unbuilt("fly", unbuilt.DOMAIN, object())
