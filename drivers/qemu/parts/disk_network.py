"""What a server holds: QEMU's block drivers of the network, and the credentials they need.

Source of the properties: QEMU's ``BlockdevOptions``, and what an installed libvirt 9 makes of each protocol.
"""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from embervirt.drivers.qemu.model.disk_source import Auth, DiskSource, EncryptionSecret, Host
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import Object, Pluggable
from embervirt.drivers.xml import replace
from embervirt.errors import InvalidArgument

SAFE = "/!$&'()*+,;:@~"
"""Characters that stand for themselves in the path of a URL."""

LUN = "0"
"""The unit of an iSCSI target that the name does not give."""

HIGHEST = 2**32 - 1
"""Of the numbers of accounts."""

GLUSTER_DEBUG = 4
"""libvirt's default ``gluster_debug_level``."""


def storage(source: DiskSource, node: str, auth: Auth | None) -> dict[str, Any]:
    """Driver and properties of the node ``node``."""
    made = _PROTOCOLS[source.protocol or ""](source)
    if source.cookies:
        made["cookie-secret"] = cookie_secret(node)
    return {"driver": source.protocol, **made, **_account(source, node, auth)}


def auth_secret(node: str) -> str:
    """Id of the object with the password for a node."""
    return f"{node}-auth-secret0"


def password(source: DiskSource, auth: Auth) -> EncryptionSecret:
    """The secret of an account: libvirt looks for one of an iSCSI target wherever it is not for Ceph."""
    return auth.secret if source.protocol == "rbd" else replace(auth.secret, type="iscsi")


def cookie_secret(node: str) -> str:
    """Id of the object with the cookies for a node."""
    return f"{node}-httpcookie-secret0"


def objects(source: DiskSource, node: str, context: CompileContext) -> Iterator[Pluggable]:
    """Certificates of this host, for a server that is asked with TLS."""
    if source.tls:
        props = {"dir": context.tls_dir, "endpoint": "client", "verify-peer": True}
        yield Object("tls-creds-x509", _tls(node), props)


def _tls(node: str) -> str:
    return f"obj{node}_tls0"


def _account(source: DiskSource, node: str, auth: Auth | None) -> dict[str, Any]:
    tls = {"tls-creds": _tls(node)} if source.tls else {}
    if source.tls_hostname:
        tls["tls-hostname"] = source.tls_hostname
    if auth is None:
        return tls
    secret = auth_secret(node)
    if source.protocol == "rbd":
        return {"user": auth.username, "auth-client-required": ["cephx", "none"], "key-secret": secret}
    if source.protocol == "ssh":
        return {"user": auth.username}
    name = "user" if source.protocol == "iscsi" else "username"
    return {**tls, name: auth.username, "password-secret": secret}


def _typed(host: Host) -> dict[str, Any]:
    if host.unix:
        return {"type": "unix", "path": host.socket}
    return {"type": "inet", **_inet(host)}


def _inet(host: Host) -> dict[str, Any]:
    return {"host": host.name, "port": str(host.port or 0)}


def _nbd(source: DiskSource) -> dict[str, Any]:
    export = {"export": source.name} if source.name else {}
    return {"server": _typed(source.hosts[0]), **export}


def _bracketed(host: Host) -> str:
    """Its name as a URL has it: a colon is in IPv6 addresses only."""
    return f"[{host.name}]" if ":" in (host.name or "") else host.name or ""


def _url(source: DiskSource) -> dict[str, Any]:
    host = source.hosts[0]
    path = quote("/" + (source.name or "").removeprefix("/"), safe=SAFE)
    query = f"?{source.query}" if source.query else ""
    made: dict[str, Any] = {"url": f"{source.protocol}://{_bracketed(host)}:{host.port}{path}{query}"}
    if source.ssl and source.ssl.verify is not None:
        made["sslverify"] = source.ssl.verify
    if source.timeout:
        made["timeout"] = source.timeout.seconds
    if source.readahead:
        made["readahead"] = source.readahead.size
    return made


def _ssh(source: DiskSource) -> dict[str, Any]:
    return {"path": source.name, "server": _inet(source.hosts[0])}


def _iscsi(source: DiskSource) -> dict[str, Any]:
    host = source.hosts[0]
    target, _, unit = (source.name or "").partition("/")
    made: dict[str, Any] = {"portal": f"{_bracketed(host)}:{host.port}", "target": target}
    made |= {"lun": int(unit or LUN), "transport": "tcp"}
    if source.initiator and source.initiator.iqn:
        made["initiator-name"] = source.initiator.iqn.name
    return made


def _gluster(source: DiskSource) -> dict[str, Any]:
    volume, _, path = (source.name or "").partition("/")
    servers = [_typed(host) for host in source.hosts]
    return {"volume": volume, "path": path, "server": servers, "debug": GLUSTER_DEBUG}


def _rbd(source: DiskSource) -> dict[str, Any]:
    pool, _, image = (source.name or "").partition("/")
    made: dict[str, Any] = {"pool": pool, "image": image}
    if source.snapshot:
        made["snapshot"] = source.snapshot.name
    if source.config:
        made["conf"] = source.config.file
    if source.hosts:
        made["server"] = [_inet(host) for host in source.hosts]
    return made


def _nfs(source: DiskSource) -> dict[str, Any]:
    identity, account = source.identity, {}
    if identity and identity.user is not None:
        account["user"] = _id(identity.user, lambda name: pwd.getpwnam(name).pw_uid)
    if identity and identity.group is not None:
        account["group"] = _id(identity.group, lambda name: grp.getgrnam(name).gr_gid)
    return {"server": {"host": source.hosts[0].name, "type": "inet"}, "path": source.name, **account}


def _id(account: str, found: Callable[[str], int]) -> int:
    """The number of an account: a name first, then a number, as libvirt does. Raises InvalidArgument."""
    try:
        return found(account)
    except KeyError:
        number = account.removeprefix("+")
    if not (number.isascii() and number.isdigit() and int(number) <= HIGHEST):
        raise InvalidArgument(f"NFS identity: there is no account '{account}' here; a number may be given")
    return int(number)


_PROTOCOLS: dict[str, Callable[[DiskSource], dict[str, Any]]] = {
    "nbd": _nbd,
    "http": _url,
    "https": _url,
    "ftp": _url,
    "ftps": _url,
    "ssh": _ssh,
    "iscsi": _iscsi,
    "gluster": _gluster,
    "rbd": _rbd,
    "nfs": _nfs,
}
