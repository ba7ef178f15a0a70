"""What the XML of a secret says."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, replace

from embervirt.drivers.secret.errors import MalformedUuid, SecretXml, UnknownUsage
from embervirt.drivers.xml import Codec, Element, attr, child, choice, text, uuid
from embervirt.drivers.xml.codecs import Switch

USAGES = {
    "none": (0, None, ""),
    "volume": (1, "volume", "volume usage specified, but volume path is missing"),
    "ceph": (2, "name", "Ceph usage specified, but name is missing"),
    "iscsi": (3, "target", "iSCSI usage specified, but target is missing"),
    "tls": (4, "name", "TLS usage specified, but name is missing"),
    "vtpm": (5, "name", "vTPM usage specified, but name is missing"),
}
"""For each usage type: virSecretUsageType, the field that holds its id, libvirt's words without that."""


@dataclass(frozen=True)
class GivenUuid(Codec[str]):
    """A UUID, or nothing at all in the element, which asks for a new one."""

    error: type[MalformedUuid] = MalformedUuid

    @property
    def accepts(self) -> str:
        return f"{uuid.accepts}, or nothing"

    def decode(self, text: str) -> str:
        return text and uuid.decode(text)

    def encode(self, value: str) -> str:
        return value


_yes_no = Switch("yes", "no", SecretXml)


class Usage(Element, tag="usage"):
    """What a secret is for; the type says which of the others holds the id."""

    type: str = attr("type", choice(*USAGES, error=UnknownUsage))
    volume: str | None = text("volume", default=None)
    name: str | None = text("name", default=None)
    target: str | None = text("target", default=None)

    @property
    def id(self) -> str | None:
        """The name, path or target."""
        field = USAGES[self.type][1]
        value: str | None = getattr(self, field) if field else None
        return value or None


class Secret(Element, tag="secret"):
    """A secret without its value."""

    ephemeral: bool = attr("ephemeral", _yes_no, default=False)
    private: bool = attr("private", _yes_no, default=False)
    uuid: str = text("uuid", GivenUuid(), default="")
    description: str | None = text("description", default=None)
    usage: Usage | None = child(Usage, default=None)

    @property
    def usage_type(self) -> int:
        """virSecretUsageType."""
        return USAGES[self.usage.type][0] if self.usage else 0

    @property
    def usage_id(self) -> str:
        """What it is for, "" when that is not said."""
        return (self.usage.id if self.usage else None) or ""


def postparse(secret: Secret) -> Secret:
    """With a UUID, and without what says nothing: an empty description, usage of type none, foreign ids."""
    return replace(
        secret,
        uuid=secret.uuid or str(uuids.uuid4()),
        description=secret.description or None,
        usage=_own_id(secret.usage),
    )


def _own_id(usage: Usage | None) -> Usage | None:
    if usage is None or usage.type == "none":
        return None
    return Usage(type=usage.type, **{str(USAGES[usage.type][1]): usage.id})
