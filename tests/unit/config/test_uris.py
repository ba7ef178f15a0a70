"""URIs of the libvirtd whose drivers a root uses."""

from __future__ import annotations

import pytest

from embervirt.config.load import load
from embervirt.errors import SettingsError

GOOD = [
    "network:///system",
    "qemu:///system",
    "network+unix:///system?socket=/run/a/libvirt-sock",
    "qemu+ssh://root@host:22/system",
    "test:///default",
]
BAD = [
    *("", "network", "network:/system", "network:///embed", "network:///embed?root=/a", "Network:///system"),
    *("network:/// system", "network:///system\n", "+unix:///system", "network:///a\0b"),
]


@pytest.mark.parametrize("uri", GOOD)
def test_any_uri_of_libvirts_is_accepted(uri: str) -> None:
    """For each of the three; unset is the root's own."""
    assert load().settings.qemu.network_uri is None
    names = [f"qemu.{each}_uri" for each in ("secret", "storage", "network")]
    qemu = load(None, {}, dict.fromkeys(names, uri)).settings.qemu
    assert (qemu.secret_uri, qemu.storage_uri, qemu.network_uri) == (uri, uri, uri)


@pytest.mark.parametrize("uri", BAD)
def test_what_is_none_is_refused(uri: str) -> None:
    """An embedded driver too: libvirt has one in a process, and it would be another one than this root's."""
    with pytest.raises(SettingsError, match="a URI of libvirt's, such as network:///system"):
        load(None, {}, {"qemu.network_uri": uri})
