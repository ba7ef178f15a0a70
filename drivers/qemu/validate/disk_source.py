"""The source of a disk and the images below it: what is named, how it is reached, how it is encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from embervirt.drivers.qemu.model.disk import Disk
from embervirt.drivers.qemu.model.disk_source import Auth, DiskSource, Encryption, EncryptionSecret
from embervirt.drivers.qemu.model.errors import MissingSource
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, XmlError, libvirtError

WITH_PATH = ("rbd", "gluster")
"""Protocols whose name is that of a pool and of an image in it."""

ONE_HOST = ("nbd", "http", "https", "ftp", "ftps", "ssh", "iscsi", "nfs")
ENCRYPTED = ("raw", "qcow2")
ACCOUNTS = {"rbd": ("ceph",), "iscsi": ("iscsi",)}
"""Of protocols the types of secrets that a password can be; others take any."""

WITHOUT_ACCOUNT = ("nbd", "gluster", "nfs")
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z|~]+")
_COOKIE_VALUE = re.compile(r"""("?)[!#$%&'()*+\-./0-9:><=?@A-Z^_`\[\]a-z|~]+\1""")
_UNIT = re.compile(r"[^/]+(/[0-9]{1,9})?")


def check(disk: Disk) -> None:
    """Raises MissingSource, XmlError, ConfigUnsupported, InternalError."""
    for error in _errors(disk):
        raise error


def _errors(disk: Disk) -> Iterator[libvirtError]:
    source = disk.source
    if source and disk.type == "volume" and source.half_named:
        yield XmlError("'pool' and 'volume' must be specified together for 'pool' type source")
    if disk.is_empty and not disk.removable:
        yield MissingSource(disk.dev)
    if source:
        yield from _twice(disk, source)
        yield from _startup(disk, source)
        yield from _source(disk.type, source, disk.dev)
    yield from _lun(disk)
    format_ = disk.driver.format if disk.driver else "raw"
    if disk.encrypted:
        yield from _encryption(disk.dev, disk.encrypted, format_, source)
    if disk.access and source:
        yield from _auth(disk.dev, disk.type, disk.access, source)
    yield from _backing(disk)


def _twice(disk: Disk, source: DiskSource) -> Iterator[libvirtError]:
    for name, both in (
        ("auth", disk.auth and source.auth),
        ("encryption", disk.encryption and source.encryption),
    ):
        if both:
            yield ConfigUnsupported(f"an <{name}> definition already found for disk source of '{disk.dev}'")


def _startup(disk: Disk, source: DiskSource) -> Iterator[libvirtError]:
    policy = source.startup_policy
    if policy and disk.type == "network":
        yield XmlError(f"disk startupPolicy '{policy}' is not allowed for disk of 'network' type")
    if policy == "requisite" and not disk.removable:
        yield XmlError(f"disk startupPolicy '{policy}' is allowed only for cdrom or floppy")


def _lun(disk: Disk) -> Iterator[libvirtError]:
    if disk.device != "lun":
        return
    if disk.type == "network" and disk.source and disk.source.protocol != "iscsi":
        yield ConfigUnsupported(f"disk device='lun' is not supported for protocol='{disk.source.protocol}'")
    if disk.type == "file":
        yield ConfigUnsupported("disk device='lun' is only valid for block type disk source")
    if disk.driver and disk.driver.type != "raw":
        yield ConfigUnsupported("disk device 'lun' must use 'raw' format")
    if disk.source and disk.source.slice:
        yield ConfigUnsupported("disk device 'lun' doesn't support storage slice")
    if disk.encrypted:
        yield ConfigUnsupported("disk device 'lun' doesn't support encryption")


def _source(type_: str, source: DiskSource, dev: str) -> Iterator[libvirtError]:
    path = source.path(type_)
    if path and "\0" in path:
        yield XmlError(f"disk '{dev}': the path of its source has a character that no path has")
    if type_ == "network" and source.protocol:
        yield from _hosts(source)
        yield from _name(source)
        yield from _cookies(source)


def _cookies(source: DiskSource) -> Iterator[libvirtError]:
    """Errors say nothing of values."""
    cookies = source.cookies.cookies if source.cookies else ()
    for cookie in cookies:
        if not _COOKIE_NAME.fullmatch(cookie.name):
            yield XmlError(f"cookie name '{cookie.name}' contains invalid characters")
        if not _COOKIE_VALUE.fullmatch(cookie.value):
            yield XmlError(f"value of cookie '{cookie.name}' contains invalid characters")
    twice = repeated(cookie.name for cookie in cookies)
    if twice is not None:
        yield XmlError(f"duplicate cookie '{twice}'")


def _hosts(source: DiskSource) -> Iterator[libvirtError]:
    for host in source.hosts:
        if host.unix and not host.socket:
            yield XmlError("missing socket for unix transport")
        if host.socket and not host.unix:
            yield XmlError(f"transport='tcp' does not support socket attribute: '{host.socket}'")
        if not host.unix and not host.name:
            yield XmlError("missing name for host")
        if host.unix and source.protocol not in ("nbd", "gluster"):
            error = InternalError if source.protocol in ("ssh", "rbd") else ConfigUnsupported
            yield error(f"a unix socket is not supported for protocol '{source.protocol}'")
        if source.protocol == "nfs" and host.port:
            yield ConfigUnsupported("port cannot be specified in 'nfs' protocol host")
    if source.protocol in ONE_HOST and len(source.hosts) != 1:
        error = ConfigUnsupported if source.protocol == "nfs" else InternalError
        yield error(f"{source.protocol} protocol accepts only one host, {len(source.hosts)} are there")
    if source.protocol == "gluster" and not source.hosts:
        yield InternalError("gluster protocol needs a host")
    if source.tls_hostname and source.protocol != "nbd":
        yield ConfigUnsupported("'tlsHostname' field is supported only with NBD disks")
    if source.tls and source.protocol != "nbd":
        yield ConfigUnsupported(f"TLS is not supported for protocol '{source.protocol}'; expected nbd")


def _name(source: DiskSource) -> Iterator[libvirtError]:
    protocol, name = source.protocol, source.name or ""
    if protocol != "nbd" and not name:
        yield XmlError("missing name for disk source")
    if protocol in WITH_PATH and not all(name.partition("/")):
        yield XmlError(f"can't split path '{name}' into pool name and image name")
    if protocol == "iscsi" and not _UNIT.fullmatch(name):
        yield InternalError(f"cannot parse target for lunStr '{name}'; expected IQN or IQN/NUMBER")


def _encryption(
    dev: str, encryption: Encryption, format_: str | None, source: DiskSource | None
) -> Iterator[libvirtError]:
    if encryption.engine == "librbd" and not (source and source.protocol == "rbd"):
        yield ConfigUnsupported("librbd encryption is supported only with RBD backed disks")
    if encryption.engine == "qemu" and encryption.format == "luks2":
        yield ConfigUnsupported("luks2 is currently not supported by the qemu encryption engine")
    if encryption.ciphers or encryption.ivgens:
        word = "cipher" if encryption.ciphers else "ivgen"
        yield ConfigUnsupported(f"supplying <{word}> for domain disk definition is unnecessary")
    if encryption.engine == "qemu" and format_ not in ENCRYPTED:
        yield ConfigUnsupported("encryption is supported only with 'raw' and 'qcow2' image format")
    if not encryption.secrets:
        yield InternalError(f"disk '{dev}': missing secret info for 'luks' driver")
    if len(encryption.secrets) != 1:
        count = len(encryption.secrets)
        yield XmlError(f"disk '{dev}': encryption 'luks' needs one <secret>, {count} are there")
    yield from _secret(dev, encryption.secrets[0])


def _secret(dev: str, secret: EncryptionSecret) -> Iterator[libvirtError]:
    if not secret.uuid and not secret.usage:
        yield XmlError(f"disk '{dev}': missing secret uuid or usage attribute")
    if secret.uuid and secret.usage:
        yield XmlError(f"disk '{dev}': either secret uuid or usage expected, not both")


def _auth(dev: str, type_: str, auth: Auth, source: DiskSource | None) -> Iterator[libvirtError]:
    if type_ not in ("network", "volume"):
        yield ConfigUnsupported(f"disk '{dev}': <auth> is for servers; a source of type '{type_}' has none")
    if not auth.username:
        yield XmlError("missing username for auth")
    protocol = (source.protocol if source else None) or ""
    if protocol in WITHOUT_ACCOUNT:
        yield ConfigUnsupported(f"authentication is not supported for protocol '{protocol}'")
    if auth.secret.type not in ACCOUNTS.get(protocol, (auth.secret.type,)):
        yield ConfigUnsupported(f"invalid secret type '{auth.secret.type}' of an account for '{protocol}'")
    yield from _secret(dev, auth.secret)


def _backing(disk: Disk) -> Iterator[libvirtError]:
    for layer in disk.backing:
        if layer.type is None:
            return
        if layer.format is None:
            yield XmlError(f"disk '{disk.dev}': missing disk backing store format")
            return
        if layer.source is None or layer.source.is_empty(layer.type):
            yield XmlError(f"disk '{disk.dev}': missing disk backing store source")
            return
        yield from _source(layer.type, layer.source, disk.dev)
        if layer.source.encryption:
            yield from _encryption(disk.dev, layer.source.encryption, layer.format.type, layer.source)
        if layer.source.auth:
            yield from _auth(disk.dev, layer.type, layer.source.auth, layer.source)
