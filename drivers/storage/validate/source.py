"""Rules of a pool's source, by its kind."""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageUnsupported, StorageXml, StorageXmlDetail
from embervirt.drivers.storage.model import Adapter, Auth, Pool
from embervirt.drivers.storage.validate.names import lvm_name

HOSTS = ("netfs", "iscsi", "iscsi-direct", "rbd", "sheepdog", "gluster")
DEVICES = ("fs", "disk")
"""Kinds that need at least one of these."""

ON_DEVICES = ("fs", "logical", "disk")

RUN = ("netfs", *ON_DEVICES)
"""Kinds whose sources are handed to programs."""


def validate_source(pool: Pool) -> None:
    """Raises StorageXml, StorageXmlDetail, StorageUnsupported."""
    _servers(pool)
    _places(pool)
    _words(pool)
    if pool.type == "scsi":
        _adapter(pool.source.adapter)
    if pool.type == "iscsi-direct" and pool.source.initiator is None:
        raise StorageUnsupported("missing initiator IQN: expected <source><initiator><iqn name='...'/>")
    if pool.type == "rbd" and not pool.source.name:
        raise StorageXml("element 'name' is mandatory for RBD pool: expected <source><name>")
    _auth(pool.source.auth)
    _protocol(pool)


def _servers(pool: Pool) -> None:
    if pool.type in HOSTS and not pool.source.hosts:
        raise StorageXml(
            f"missing storage pool source host name: pool '{pool.name}', expected <host name='...'/>"
        )
    if any(host.name is None for host in pool.source.hosts):
        raise StorageXml(f"missing storage pool host name: pool '{pool.name}', a <host> has no 'name'")


def _places(pool: Pool) -> None:
    if pool.type in DEVICES and not pool.source.devices:
        raise StorageXml(
            f"missing storage pool source device name: pool '{pool.name}', expected <device path='...'/>"
        )
    if any(device.path is None for device in pool.source.devices):
        raise StorageXml(f"missing storage pool source device path: pool '{pool.name}'")
    if pool.type == "netfs" and pool.source.dir is None:
        raise StorageXml(f"missing storage pool source path: pool '{pool.name}', expected <dir path='...'/>")


def _words(pool: Pool) -> None:
    """What becomes a word of a command: never one that is an option, though libvirt takes it."""
    if pool.type == "logical":
        lvm_name(pool.source.name or "", "volume group")
    given = [host.name for host in pool.source.hosts] + [device.path for device in pool.source.devices]
    if pool.type in RUN and any(word is None or not word or word.startswith("-") for word in given):
        raise StorageXml(
            f"pool '{pool.name}': a host or device is empty or begins with '-'; expected a name or a path"
        )
    for device in pool.source.devices if pool.type in ON_DEVICES else ():
        if not (device.path or "").startswith("/"):  # to us and to a program it could be two
            text = f"pool '{pool.name}': device '{device.path}' is relative; expected an absolute path"
            raise StorageXml(text)


def _adapter(adapter: Adapter | None) -> None:
    if adapter is None:
        raise StorageXml("missing storage pool source adapter: expected <adapter name='...'/>")
    if adapter.type is None and adapter.parent_address:
        raise StorageXml("Use of 'parentaddr' element requires use of the adapter 'type'")
    if adapter.type is None:
        raise StorageXml("Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter 'type'")
    (_fc_host if adapter.type == "fc_host" else _scsi_host)(adapter)


def _scsi_host(adapter: Adapter) -> None:
    address = adapter.parent_address
    if not adapter.name and address is None:
        raise StorageXml("Either 'name' or 'parent' must be specified for the 'scsi_host' adapter")
    if address is not None and address.unique_id is None:
        raise StorageXml("Missing or invalid scsi adapter 'unique_id' value")
    if address is not None and address.address is None:
        raise StorageXml("Missing scsi_host PCI address element: expected <parentaddr><address .../>")


def _fc_host(adapter: Adapter) -> None:
    if not (adapter.wwnn and adapter.wwpn):
        raise StorageXml("'wwnn' and 'wwpn' must be specified for adapter type 'fchost'")
    for given, other in (("parent_wwnn", "parent_wwpn"), ("parent_wwpn", "parent_wwnn")):
        if getattr(adapter, given) and not getattr(adapter, other):
            raise StorageXml(
                f"when providing {given}='{getattr(adapter, given)}', the {other} must also be provided"
            )


def _auth(auth: Auth | None) -> None:
    if auth is None:
        return
    if not auth.username:
        raise StorageXml("missing username for auth: expected <auth type='...' username='...'>")
    if auth.secret is None:
        raise StorageXml("Missing <secret> element in auth")
    if auth.secret.uuid and auth.secret.usage:
        raise StorageXml("either secret uuid or usage expected, not both")
    if not (auth.secret.uuid or auth.secret.usage):
        raise StorageXml("missing secret uuid or usage attribute")
    if auth.type is None:
        raise StorageUnsupported("storage pool missing auth type: expected one of: chap, ceph")


def _protocol(pool: Pool) -> None:
    """A comma in the version would be another option of the mount."""
    version = pool.source.protocol.ver if pool.source.protocol else None
    if version and "," in version:
        raise StorageXmlDetail(f"storage pool protocol ver '{version}' must not contain ','")
    if version and pool.type == "netfs" and pool.format not in ("auto", "nfs"):
        raise StorageUnsupported(f"storage pool protocol ver unsupported for pool type '{pool.format}'")
