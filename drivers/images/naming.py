"""What the name of an image below another means, as it stands in that one's header: files, NBD, web servers.

As libvirt has it: what it cannot describe it does not use. QEMU is left with no other name out of a header,
for it would run that through all its protocols, and guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from embervirt.constants import VIR_FROM_STORAGE
from embervirt.errors import InternalError

NBD_PORT = 10809
WEB = {"http": 80, "https": 443, "ftp": 21, "ftps": 990}
"""Protocols, and the ports that they have where none is named."""

EXPECTED = f"a path, json: of a file or an NBD server, nbd:, {', '.join(WEB)}"

PROTOCOL = re.compile(r"([^/:]*):")
"""QEMU's rule: what has a colon before its first slash begins with a protocol."""

UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot have, the bytes of names that are not UTF-8 among them."""

TUNING = frozenset({"aio", "auto-read-only", "cache", "discard", "locking", "node-name", "read-only"})
"""What JSON may say beside: it is the domain's XML that decides it."""


class Server(NamedTuple):
    """Who has an image: ``host`` and ``port``, or a ``socket`` of this host. ``name``: of it, there."""

    protocol: str
    name: str | None
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    query: str | None = None


class Named(NamedTuple):
    """A ``path`` of this host, else a ``server``; ``format``: QEMU's word for it, if the name has one."""

    path: str | None = None
    server: Server | None = None
    format: str | None = None


def named(text: str, above: str) -> Named:
    """What the header of the image at ``above`` means. Raises InternalError, as libvirt, naming both."""
    if UNSPEAKABLE.search(text):
        raise _refused(text, above, "it has characters that XML cannot have")
    found = PROTOCOL.match(text)
    scheme = found[1] if found else ""
    if scheme == "json":
        return _from_json(text, above)
    if not scheme or scheme == "file":
        name = text.removeprefix("file:") if scheme else text
        return Named(str(Path(above).parent / name))
    if scheme.startswith("nbd"):
        return _nbd(text, above)
    if scheme in WEB:
        return _web(text, above)
    raise _refused(text, above, f"protocol '{scheme}' is not served")


def _refused(text: str, above: str, why: str) -> InternalError:
    what = f"cannot use backing image {text!r} of image '{above}': {why}"
    return InternalError(f"{what}; expected {EXPECTED}", virdomain=VIR_FROM_STORAGE)


def _from_json(text: str, above: str) -> Named:
    """``{"driver": "qcow2", "file": {"driver": "file", "filename": ...}}``, or ``"file.filename"``."""
    try:
        said = _nested(json.loads(text.removeprefix("json:")))
    except (ValueError, RecursionError) as error:
        raise _refused(text, above, "it is no JSON object") from error
    inner = said.get("file")
    if inner is None:
        return _storage(said, text, above)
    if not isinstance(inner, dict) or set(said) - {"driver", "file"} - TUNING:
        raise _refused(text, above, "it says more than a format and a file")
    format_ = said.get("driver")
    return _storage(inner, text, above)._replace(format=format_ if isinstance(format_, str) else None)


def _nested(said: Any) -> dict[str, Any]:
    """With ``a.b: c`` as ``a: {b: c}``. Raises ValueError."""
    if not isinstance(said, dict):
        raise ValueError("no object")
    made: dict[str, Any] = {}
    for key, value in said.items():
        place = made
        *outer, last = key.split(".")
        for name in outer:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ValueError(key)
        place[last] = _nested(value) if isinstance(value, dict) else value
    return made


def _storage(said: Mapping[str, Any], text: str, above: str) -> Named:
    driver = said.get("driver", "file")
    if driver in ("file", "host_device") and not set(said) - {"driver", "filename"} - TUNING:
        name = said.get("filename")
        if isinstance(name, str) and name.startswith("/") and not UNSPEAKABLE.search(name):
            return Named(name)
        raise _refused(text, above, "its 'filename' is no absolute path")
    if driver == "nbd" and not set(said) - {"driver", "server", "export", "host", "port", "path"} - TUNING:
        server, export = said.get("server", said), said.get("export")
        if isinstance(server, dict) and isinstance(export, str | None):
            found = _server(server, export)
            if found is not None:
                return found
    raise _refused(text, above, f"driver {driver!r} with these options is not served")


def _server(said: Mapping[str, Any], export: str | None) -> Named | None:
    host, port, socket = said.get("host"), said.get("port", NBD_PORT), said.get("path")
    if isinstance(socket, str) and socket:
        return Named(server=Server("nbd", export or None, socket=socket))
    if isinstance(host, str) and host and str(port).isdigit():
        return Named(server=Server("nbd", export or None, host, int(port)))
    return None


OLD_NBD = re.compile(
    r"nbd:(?:unix:(?P<path>[^:]+)|(?P<host>[^:]+):(?P<port>[0-9]{1,5}))(?::exportname=(?P<name>.*))?"
)


def _nbd(text: str, above: str) -> Named:
    """``nbd://host:port/export``, ``nbd+unix:///export?socket=path``, ``nbd:host:port:exportname=export``."""
    old = OLD_NBD.fullmatch(text)
    if old is not None and not text.startswith("nbd://"):
        found = _server({name: value for name, value in old.groupdict().items() if value}, old["name"])
        if found is not None:
            return found
    try:
        url = urlsplit(text)
        name, port = unquote(url.path.removeprefix("/")), url.port or NBD_PORT
    except ValueError as error:
        raise _refused(text, above, str(error)) from error
    if url.scheme == "nbd+unix":
        socket = parse_qs(url.query).get("socket", [""])[0]
        if socket:
            return Named(server=Server("nbd", name or None, socket=socket))
    elif url.scheme in ("nbd", "nbd+tcp") and url.hostname:
        return Named(server=Server("nbd", name or None, url.hostname, port))
    raise _refused(text, above, "it names no NBD server")


def _web(text: str, above: str) -> Named:
    try:
        url = urlsplit(text)
        port = url.port or WEB[url.scheme]
    except ValueError as error:
        raise _refused(text, above, str(error)) from error
    if not url.hostname or url.username or url.fragment:
        raise _refused(text, above, "it is no plain URL of a file")
    name, query = url.path.removeprefix("/"), url.query or None
    return Named(server=Server(url.scheme, name, url.hostname, port, query=query))
