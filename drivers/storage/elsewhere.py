"""The pools of a libvirtd in place of the root's own: where a guest's volume is, through libvirt-python."""

from __future__ import annotations

from functools import partial
from typing import Any

from lxml import etree

from embervirt.actors.actor import Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.libvirtd import Asking, Libvirtd, requests
from embervirt.drivers.storage import messages
from embervirt.drivers.storage.errors import NoStoragePool, NoStorageVolume
from embervirt.drivers.storage.messages import FoundVolume
from embervirt.drivers.storage.service.finding import not_active
from embervirt.errors import libvirtError

LEAVES: dict[int, type[libvirtError]] = {each.code: each for each in (NoStoragePool, NoStorageVolume)}


class StorageElsewhere(Asking):
    """Looks volumes up: pools and volumes are that libvirtd's, and its own programs' to change."""

    driver = "storage"
    refused = requests(messages) - {messages.FindVolume}

    def __init__(self, context: Context, libvirtd: Libvirtd) -> None:
        super().__init__(context)
        self.libvirtd = libvirtd

    @handles(messages.FindVolume)
    def find_volume(self, request: messages.FindVolume) -> Work[FoundVolume]:
        """Of a pool that is active there."""
        return self.ask(partial(_volume, request))


def _volume(request: messages.FindVolume, conn: Any) -> FoundVolume:
    pool = conn.storagePoolLookupByName(request.pool)
    if not pool.isActive():
        raise not_active(request.pool, request.volume)
    volume = pool.storageVolLookupByName(request.volume)
    return described(pool.XMLDesc(), volume.info()[0], volume.path())


def described(pool: str, type_: int, path: str) -> FoundVolume:
    """``pool``: its XML, of any kind that there is, for it is not ours to judge."""
    element = etree.fromstring(pool, etree.XMLParser(resolve_entities=False))
    host, device = element.find("source/host"), element.find("source/device")
    return FoundVolume(
        element.get("type", ""),
        type_,
        path,
        host="" if host is None else host.get("name", ""),
        port=0 if host is None else int(host.get("port", 0)),
        target="" if device is None else device.get("path", ""),
        with_auth=element.find("source/auth") is not None,
    )
