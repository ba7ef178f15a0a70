"""Where the bytes of a character device go, as QEMU's backend; ``render`` knows its two notations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embervirt.drivers.qemu.model.chardev_source import Chardev as Source
from embervirt.drivers.qemu.model.chardev_source import CharSource, Log
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Chardev, Object, Part

NONE: Mapping[str, int] = {}
_BACKENDS = {"unix": "socket", "tcp": "socket"}
"""QEMU's name of a type where it is not libvirt's."""


def parts(
    port: Source, id_: str, build: Build, *, device: str = "serial", log: Log | None = None
) -> Iterator[Part]:
    """The chardev with this id; ``device`` and ``log`` as in ``backend``. With TLS its certificates first."""
    source = port.source
    if source and source.tls:
        endpoint = "server" if source.mode == "bind" else "client"
        props = {"dir": build.run.tls_dir, "endpoint": endpoint, "verify-peer": True}
        yield Object("tls-creds-x509", _credentials(id_), props)
    yield backend(port, id_, device=device, log=log, fds=build.run.socket_fds)


def _credentials(id_: str) -> str:
    return f"obj{id_}_tls0"


def backend(
    port: Source,
    id_: str,
    *,
    device: str = "serial",
    log: Log | None = None,
    fds: Mapping[str, int] = NONE,
) -> Chardev:
    """The chardev with this id.

    ``device``: what a ``dev`` of the host is; ``log``: one it has by itself; ``fds``: sockets by their paths
    that listen already.
    """
    name = device if port.type == "dev" else _BACKENDS.get(port.type, port.type)
    tls = {"tls-creds": _credentials(id_)} if port.source and port.source.tls else {}
    return Chardev(id_, name, {**_data(port, fds), **tls, **_log(port.log or log)})


def _data(port: Source, fds: Mapping[str, int]) -> dict[str, Any]:
    source = port.source or CharSource()
    match port.type:
        case "file":
            return {"out": source.path, **({} if source.append is None else {"append": source.append})}
        case "dev" | "pipe":
            return {"device": source.path}
        case "unix":
            return {"addr": _unix(source.path or "", fds), **_socket(source)}
        case "tcp":
            telnet = {"telnet": True} if port.protocol and port.protocol.type == "telnet" else {}
            return {"addr": _inet(source), **telnet, **_socket(source)}
        case "udp":
            return _udp(port.sources)
        case "qemu-vdagent":
            return _agent(source)
    return {}


def _unix(path: str, fds: Mapping[str, int]) -> dict[str, Any]:
    if path in fds:
        return {"type": "fd", "data": {"str": str(fds[path])}}
    return {"type": "unix", "data": {"path": path}}


def _socket(source: CharSource) -> dict[str, Any]:
    if source.mode == "bind":
        return {"server": True, "wait": False}
    reconnect = source.reconnect
    seconds = {} if reconnect is None else {"reconnect": (reconnect.timeout or 0) if reconnect.enabled else 0}
    return {"server": False, **seconds}


def _inet(source: CharSource) -> dict[str, Any]:
    return {"type": "inet", "data": {"host": source.host or "", "port": source.service or "0"}}


def _udp(sources: tuple[CharSource, ...]) -> dict[str, Any]:
    near, far = CharSource(), CharSource()
    for source in sources:
        near, far = (source, far) if source.mode == "bind" else (near, source)
    return {"remote": _inet(far), "local": _inet(near)}


def _agent(source: CharSource) -> dict[str, Any]:
    clipboard = source.clipboard.copypaste if source.clipboard else None
    mouse = source.mouse.mode if source.mouse else None
    return {
        **({} if clipboard is None else {"clipboard": clipboard}),
        **({} if mouse is None else {"mouse": mouse == "client"}),
    }


def _log(log: Log | None) -> dict[str, Any]:
    if log is None or log.file is None:
        return {}
    return {"logfile": log.file, **({} if log.append is None else {"logappend": log.append})}
