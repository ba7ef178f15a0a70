"""What changes a domain's definition: its end, its name, whether it starts with the host, its metadata."""

from __future__ import annotations

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, NoMetadata
from embervirt.drivers.qemu.model import metadata
from embervirt.drivers.qemu.model.edits import DESCRIPTION, ELEMENT, TITLE, Edit, SetMetadata
from embervirt.errors import InvalidArgument
from embervirt.libvirt.domain import impact
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only


class Definitions(Handle):
    """The part of ``virDomain`` that concerns its definition."""

    def undefine(self) -> int:
        """Forget the definition. Raises OperationInvalid for what only ``undefineFlags`` takes along."""
        return self.undefineFlags(0)

    def undefineFlags(self, flags: int = 0) -> int:
        """With ``virDomainUndefineFlagsValues``: what becomes of a managed save image, snapshots' and
        checkpoints' descriptions, and the UEFI's variables.

        Raises OperationInvalid for a transient domain, for flags that contradict each other, and for such
        a file that no flag speaks of.
        """
        only(flags, 0x7F, "undefineFlags")
        self._conn._check_writable("virDomainUndefine")
        self._face.check_open()
        self._face.bus.call("qemu", messages.Undefine(self._uuid, flags))
        return 0

    def rename(self, new_name: str, flags: int = 0) -> int:
        """Another name for a domain that is defined and does not run; this handle keeps the old one.

        Raises OperationInvalid (it runs, is transient, or the name is taken), XmlError (no file's name).
        """
        only(flags, 0, "rename")
        self._conn._check_writable("virDomainRename")
        if not new_name:
            raise InvalidArgument(
                "string new_name in virDomainRename must not be empty", virdomain=VIR_FROM_DOM
            )
        self._face.check_open()
        self._face.bus.call("qemu", messages.Rename(self._uuid, new_name))
        return 0

    def autostart(self) -> int:
        """1 when it starts with the first opening of its root after the host's start."""
        self._known()
        definition = self._definition()
        return int(definition is not None and definition.autostart)

    def setAutostart(self, autostart: int) -> int:
        """Whether it does. Raises OperationInvalid for a transient domain."""
        self._conn._check_writable("virDomainSetAutostart")
        self._face.check_open()
        self._face.bus.call("qemu", messages.SetAutostart(self._uuid, bool(autostart)))
        return 0

    # Title, description, metadata.

    def metadata(self, type: int, uri: str | None, flags: int = 0) -> str:
        """DESCRIPTION (0), TITLE (1), or the element of the namespace ``uri`` (2), without that namespace.

        ``flags``: of the running guest (1) or the definition (2). Raises NoMetadata when there is none.
        """
        only(flags, impact.AFFECT, "metadata")
        _check_type(type)
        _check_uri(type, uri, "virDomainGetMetadata")
        domain = impact.read(self, flags)
        texts = {DESCRIPTION: domain.description, TITLE: domain.title}
        found = texts[type] if type in texts else metadata.find(domain.metadata, uri or "")
        if found is None:
            raise NoMetadata("Requested metadata element is not present")
        return found

    def setMetadata(
        self, type: int, metadata: str | None, key: str | None, uri: str | None, flags: int = 0
    ) -> int:
        """Replace one of them, or with None remove it. An element's prefix will be ``key``.

        ``flags``: of the running guest (1), the definition (2), or both. Raises InvalidArgument, XmlDetail
        (no element), OperationInvalid.
        """
        only(flags, impact.AFFECT, "setMetadata")
        self._conn._check_writable("virDomainSetMetadata")
        _check_type(type)
        _check_uri(type, uri, "virDomainSetMetadata")
        _check_key(type, key, metadata)
        self._edit(SetMetadata(type, metadata, key or "", uri or ""), flags)
        return 0

    def _edit(self, edit: Edit, flags: int) -> None:
        """Of the running guest, the definition, or both; nothing when one of them cannot be meant."""
        wanted = impact.of(self, flags)
        if wanted.live:
            self._call(messages.EditedLive(edit))
        if wanted.config:
            self._face.bus.call("qemu", messages.Edited(self._uuid, edit, quiet=wanted.live))


def _check_type(type_: int) -> None:
    if type_ not in (DESCRIPTION, TITLE, ELEMENT):
        text = f"unknown metadata type '{type_}'; known are 0 (description), 1 (title), 2 (element)"
        raise InvalidArgument(text, virdomain=VIR_FROM_DOM)


def _check_uri(type_: int, uri: str | None, call: str) -> None:
    if type_ == ELEMENT and not uri:
        raise InvalidArgument(f"uri in {call} must not be NULL", virdomain=VIR_FROM_DOM)
    if type_ != ELEMENT and uri is not None:
        raise InvalidArgument(f"uri in {call} must be NULL", virdomain=VIR_FROM_DOM)


def _check_key(type_: int, key: str | None, text: str | None) -> None:
    if type_ == ELEMENT and text is not None and not key:
        raise InvalidArgument("key in virDomainSetMetadata must not be NULL", virdomain=VIR_FROM_DOM)
    if type_ != ELEMENT and key is not None:
        raise InvalidArgument("key in virDomainSetMetadata must be NULL", virdomain=VIR_FROM_DOM)
    if type_ == TITLE and text is not None and "\n" in text:
        raise InvalidArgument("metadata title can't contain newlines", virdomain=VIR_FROM_DOM)
