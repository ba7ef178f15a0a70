"""Connection URIs: ``DRIVER:///embed?root=/absolute/directory``, decoded as RFC 3986 says.

What libvirt 9 refuses is refused with its codes. Beyond that, what it silently passes over is refused
too: a second ``root``, an unknown parameter, a fragment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from embervirt.errors import ConfigUnsupported, InvalidArgument, NoConnect, libvirtError

VIR_FROM_URI = 45
EXPECTED = "expected DRIVER:///embed?root=/absolute/directory"

_PARTS = re.compile(
    r"""(?P<driver>[A-Za-z][A-Za-z0-9+.-]*):
        (?://(?P<host>[^/?\#]*))?
        (?P<path>[^?\#]*)
        (?:\?(?P<query>[^\#]*))?
        (?:\#(?P<fragment>.*))?\Z""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ILLEGAL = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]")
"""What must be percent-encoded. Characters beyond ASCII may stand as they are (RFC 3987)."""


class MalformedUri(libvirtError):
    """Not a URI. Libvirt's code is 1, "internal error", though nobody has a bug."""

    code, prefix, virdomain = 1, "internal error", VIR_FROM_URI


@dataclass(frozen=True)
class EmbedUri:
    """A driver's name and the absolute path of a root, decoded but not resolved."""

    driver: str
    root: Path

    def __str__(self) -> str:
        return f"{self.driver}:///embed?root={quote(str(self.root))}"


def parse_uri(uri: str | None) -> EmbedUri:
    """Read a connection URI. Whether there is such a driver is not known here.

    Raises NoConnect (5: not of the form above), MalformedUri (1: not a URI), InvalidArgument (8: ``root``
    is missing, repeated or not alone), ConfigUnsupported (67: ``root`` is not an absolute path).
    """
    if not uri:
        raise NoConnect(f"no URI was given, {EXPECTED}")
    parts = _PARTS.match(uri)
    if parts is None:
        raise NoConnect(f"URI '{uri}' does not include a driver name, {EXPECTED}")
    _check_characters(uri)
    if parts["host"]:
        raise NoConnect(f"{uri}: an embedded driver has no host '{parts['host']}', {EXPECTED}")
    if parts["path"] != "/embed":
        raise NoConnect(f"{uri}: unknown path '{parts['path']}', {EXPECTED}")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", parts["driver"]):
        raise NoConnect(f"URI scheme '{parts['driver']}' for embedded driver is not valid, {EXPECTED}")
    if parts["fragment"] is not None:
        raise _invalid(uri, "has a fragment ('#' in a directory's name is written %23)")
    return EmbedUri(parts["driver"], _root(uri, parts["query"] or ""))


def _check_characters(uri: str) -> None:
    illegal = _ILLEGAL.search(uri) or _ESCAPE.search(uri)
    if illegal:
        found, at = illegal[0], illegal.start()
        expected = f"write it as {quote(found)}" if found != "%" else "'%' and two hex digits, or %25"
        raise MalformedUri(f"Unable to parse URI {uri!r}: character {found!r} at {at}, {expected}")


def _root(uri: str, query: str) -> Path:
    pairs = [pair.partition("=") for pair in re.split("[&;]", query) if pair]
    values = [_decoded(uri, value) for name, _, value in pairs if _decoded(uri, name) == "root"]
    unknown = [_decoded(uri, name) for name, _, _ in pairs if _decoded(uri, name) != "root"]
    if unknown:
        raise _invalid(uri, f"has an unknown parameter '{unknown[0]}'")
    if not values:
        raise InvalidArgument(f"Missing URI parameter 'root': {uri}, {EXPECTED}", virdomain=VIR_FROM_URI)
    if len(values) > 1:
        raise _invalid(uri, f"names {len(values)} roots, {' and '.join(map(repr, values))}")
    if not values[0].startswith("/"):
        raise ConfigUnsupported(f"root path must be absolute: '{values[0]}' is not, {EXPECTED}")
    return Path(values[0])


def _decoded(uri: str, text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise _invalid(uri, f"has a parameter that is not UTF-8, '{text}'") from error
    if "\0" in decoded:
        raise _invalid(uri, "has a NUL character in a parameter")
    return decoded


def _invalid(uri: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"URI {uri} {what}, {EXPECTED}", virdomain=VIR_FROM_URI)
