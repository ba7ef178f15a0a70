"""``<source>`` of a disk: a file, a block device or what a server has; how it is reached and encrypted."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    attr,
    child,
    children,
    choice,
    content,
    integer,
    text,
    uuid,
    yes_no,
)
from embervirt.errors import ConfigUnsupported, InvalidArgument

TYPES = ("file", "block", "network", "volume")
LATER_TYPES = ("dir", "nvme", "vhostuser")
PORTS = {
    "nbd": 10809,
    "http": 80,
    "https": 443,
    "ftp": 21,
    "ftps": 990,
    "ssh": 22,
    "iscsi": 3260,
    "gluster": 24007,
    "rbd": None,
    "nfs": None,
}
"""By protocol the port that a host has which names none; None: the library behind it knows."""

_U64 = integer(0, 2**63 - 1)


class EncryptionSecret(Element, tag="secret"):
    """Names a secret by UUID or by usage."""

    type: str = attr("type", choice("passphrase", error=ConfigUnsupported))
    uuid: str | None = attr("uuid", uuid, default=None)
    usage: str | None = attr("usage", default=None)


class AuthSecret(EncryptionSecret, tag="secret"):
    """The password of an account of a server."""

    type: str = attr("type", choice("ceph", "iscsi", error=ConfigUnsupported))


class Cipher(Element, tag="cipher"):
    name: str | None = attr("name", default=None)
    size: str | None = attr("size", default=None)
    mode: str | None = attr("mode", default=None)
    hash: str | None = attr("hash", default=None)


class IvGenerator(Element, tag="ivgen"):
    name: str | None = attr("name", default=None)
    hash: str | None = attr("hash", default=None)


class Encryption(Element, tag="encryption"):
    """``cipher`` and ``ivgen`` are for new volumes: of a disk they are refused.

    ``engine``: who encrypts, QEMU or, of an image that rbd has, Ceph's library.
    """

    format: str = attr("format", choice("luks", "luks2", error=ConfigUnsupported, later=("default", "qcow")))
    engine: str = attr("engine", choice("qemu", "librbd"), default="qemu")
    secrets: tuple[EncryptionSecret, ...] = children(EncryptionSecret, default=())
    ciphers: tuple[Cipher, ...] = children(Cipher, default=())
    ivgens: tuple[IvGenerator, ...] = children(IvGenerator, default=())


class Auth(Element, tag="auth"):
    username: str = attr("username")
    secret: AuthSecret = child(AuthSecret)


class Host(Element, tag="host"):
    """A server: ``name`` and ``port``, or with ``unix`` a ``socket``."""

    name: str | None = attr("name", default=None)
    port: int | None = attr("port", integer(0, 65535, error=InvalidArgument), default=None)
    transport: str | None = attr(
        "transport", choice("tcp", "unix", error=ConfigUnsupported, later=("rdma",)), default=None
    )
    socket: str | None = attr("socket", default=None)

    @property
    def unix(self) -> bool:
        """Whether it is a socket of this host."""
        return self.transport == "unix"


class Slice(Element, tag="slice"):
    """Bytes of the storage: where the image begins, and how long it is."""

    type: str = attr("type", choice("storage"))
    offset: int = attr("offset", _U64)
    size: int = attr("size", _U64)


class Slices(Element, tag="slices"):
    slices: tuple[Slice, ...] = children(Slice, default=())


class Iqn(Element, tag="iqn"):
    name: str = attr("name")


class Initiator(Element, tag="initiator"):
    iqn: Iqn | None = child(Iqn, default=None)


class Identity(Element, tag="identity"):
    """On whose behalf an NFS server is asked: a number, ``+`` before it allowed, or a name of this host."""

    user: str | None = attr("user", default=None)
    group: str | None = attr("group", default=None)


class Ssl(Element, tag="ssl"):
    verify: bool | None = attr("verify", yes_no, default=None)


class Readahead(Element, tag="readahead"):
    """Bytes."""

    size: int = attr("size", integer(0, 2**31 - 1))


class Timeout(Element, tag="timeout"):
    seconds: int = attr("seconds", integer(0, 2**31 - 1))


class Cookie(Element, tag="cookie"):
    """What a web server gave to know its visitor again: as good as a password."""

    name: str = attr("name")
    value: str = content(default="")


class Cookies(Element, tag="cookies"):
    cookies: tuple[Cookie, ...] = children(Cookie, default=())

    @property
    def header(self) -> str:
        """As HTTP has them."""
        return "; ".join(f"{each.name}={each.value}" for each in self.cookies)


class Snapshot(Element, tag="snapshot"):
    name: str = attr("name")


class ConfigFile(Element, tag="config"):
    file: str = attr("file")


class SecurityLabel(Element, tag="seclabel"):
    """``relabel`` no: the file keeps its owner. ``label`` is the model's own."""

    model: str | None = attr("model", default=None)
    relabel: bool | None = attr("relabel", yes_no, default=None)
    labelskip: bool | None = attr("labelskip", yes_no, default=None)
    label: str | None = text("label", default=None)


class DiskSource(
    Element,
    tag="source",
    refuse=("@dir", "reservations"),
):
    """``index`` is the number in the names of its block nodes, of a running guest only.

    Which of ``file``, ``dev`` and ``protocol`` counts is said by the disk's type. Of a volume it is what
    the storage driver said that it is (``service.volumes``), of a running guest only, and not shown.
    """

    file: str | None = attr("file", default=None)
    dev: str | None = attr("dev", default=None)
    protocol: str | None = attr("protocol", choice(*PORTS, later=("sheepdog", "vxhs", "tftp")), default=None)
    name: str | None = attr("name", default=None)
    pool: str | None = attr("pool", default=None)
    volume: str | None = attr("volume", default=None)
    mode: str | None = attr("mode", choice("host", "direct", error=ConfigUnsupported), default=None)
    query: str | None = attr("query", default=None)
    tls: bool | None = attr("tls", yes_no, default=None)
    tls_hostname: str | None = attr("tlsHostname", default=None)
    startup_policy: str | None = attr(
        "startupPolicy", choice("mandatory", "requisite", "optional"), default=None
    )
    fdgroup: str | None = attr("fdgroup", default=None)
    index: str | None = attr("index", default=None)
    hosts: tuple[Host, ...] = children(Host, default=())
    snapshot: Snapshot | None = child(Snapshot, default=None)
    config: ConfigFile | None = child(ConfigFile, default=None)
    auth: Auth | None = child(Auth, default=None)
    seclabels: tuple[SecurityLabel, ...] = children(SecurityLabel, default=())
    encryption: Encryption | None = child(Encryption, default=None)
    initiator: Initiator | None = child(Initiator, default=None)
    slices: Slices | None = child(Slices, default=None)
    ssl: Ssl | None = child(Ssl, default=None)
    cookies: Cookies | None = child(Cookies, default=None)
    readahead: Readahead | None = child(Readahead, default=None)
    timeout: Timeout | None = child(Timeout, default=None)
    identity: Identity | None = child(Identity, default=None)

    @property
    def slice(self) -> Slice | None:
        """The part of the storage that the image is."""
        return self.slices.slices[0] if self.slices and self.slices.slices else None

    def path(self, type_: str) -> str | None:
        """The file or device of this host; None for what is no such thing, or says nothing."""
        return {"file": self.file, "block": self.dev}.get(self.actual(type_)) or None

    def actual(self, type_: str) -> str:
        """``type_``, of a volume that of what it is: ``volume`` before that is known."""
        if type_ != "volume":
            return type_
        if self.protocol:
            return "network"
        return "block" if self.dev else "file" if self.file else type_

    @property
    def half_named(self) -> bool:
        """A pool without a volume, or a volume without a pool."""
        return (self.pool is None) != (self.volume is None)

    def is_empty(self, type_: str) -> bool:
        """Whether it names no medium."""
        if type_ == "volume":
            return not (self.pool and self.volume)
        return not self.path(type_) and not (type_ == "network" and self.protocol)
