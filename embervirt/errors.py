"""The one error tree: a class is a meaning, and each knows libvirt's number for it.

::

    libvirtError                      what a program catches
    +-- InternalError             1   a bug, ours or QEMU's; the actor that hit it was replaced
    |   +-- OutcomeUnknown            the actor died while it handled the call: it may have happened
    +-- NotSupported              3   embervirt cannot do this
    +-- NoConnect                 5   no driver serves this URI
    +-- InvalidConnection         6   the connection (or its root) is closed
    |   +-- ForkedError               used in a forked child of the process that opened the root
    +-- InvalidArgument           8   a parameter of the call is not one that can be accepted
    +-- OperationFailed           9   it was tried and did not work
    +-- XmlError                 27   not XML, or XML that does not say what it must
    |   +-- XmlDetail            35   a value in it cannot be read
    +-- OperationDenied          29   the connection is read-only
    +-- AccessDenied             88   refused by policy
    +-- SystemError_             38   the operating system said no (int1 is the errno)
    |   +-- RootBusy                  another process owns the root
    +-- OperationInvalid         55   not in this state
    +-- ConfigUnsupported        67   a valid wish that this host or driver cannot meet
    |   +-- SettingsError             a setting with an unknown key or a bad value
    +-- OperationTimeout         68   no answer by the deadline (``operation`` names the request)
    +-- ArgumentUnsupported      74   a parameter that libvirt knows, and this object cannot have
    +-- OperationAborted         78   cancelled
    +-- OperationUnsupported     84   nobody can do that to such an object
    +-- ResourceBusy             87   too much in flight, or held by someone else
    |   +-- MailboxFull               the actor's mailbox is full: certainly not started
    +-- ActorUnavailable          9   the actor is down: certainly not started
    |   +-- NotStarted                it died before it began this call
    |   +-- Quarantined               it failed too often and waits for ``clear``

Each driver adds its leaves (``NoDomain``, ``NoSecret``, ...) in its own ``errors`` module. A class is
known by its name alone, which is what travels in a reply, so no two have one. The
numbers are libvirt's ``virErrorNumber``, the domains its ``virErrorDomain``; the prefix of a
message is the one libvirt gives the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

ErrorTuple = tuple[int, int, str, int, str | None, str | None, str | None, int, int]

VIR_ERR_ERROR = 2
"""``virErrorLevel``: everything raised here is an error, never a warning."""


LONGEST = 10_000
"""Characters of a message; what is quoted in one may be a document of megabytes."""


class libvirtError(Exception):  # noqa: N801 - libvirt-python's name
    """What every failed call raises. ``err`` is libvirt-python's nine-tuple, or None.

    ``detail`` is what went wrong, where, and what would be accepted; the message is libvirt's
    prefix for the code followed by it. ``info``: the part of the message that libvirt's form of it leaves
    open, when that is not all of ``detail``. ``virdomain`` overrides the class's error domain.
    """

    code: ClassVar[int] = 1
    virdomain: ClassVar[int] = 0
    prefix: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[libvirtError]]] = {}

    def __init__(
        self, detail: str = "", *, info: str | None = None, int1: int = -1, virdomain: int = -1
    ) -> None:
        detail = _bounded(detail)
        message = f"{self.prefix}: {detail}" if self.prefix and detail else detail or self.prefix
        super().__init__(message)
        self.detail = detail
        self.err: ErrorTuple | None = None
        if type(self) is not libvirtError:
            domain = self.virdomain if virdomain < 0 else virdomain
            info = detail if info is None else info
            form = "%s".join(message.rsplit(info, 1)) if info else message
            self.err = (self.code, domain, message, VIR_ERR_ERROR, form, info or None, None, int1, -1)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = libvirtError.registry.setdefault(cls.__name__, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            text = f"an error called {cls.__name__} is in {known.__module__} already"
            raise TypeError(f"{text}; {cls.__module__} needs another name")
        libvirtError.registry[cls.__name__] = cls

    def __str__(self) -> str:
        return self.get_error_message() or str(self.args[0])

    def _field(self, index: int) -> Any:
        return None if self.err is None else self.err[index]

    def get_error_code(self) -> int | None:
        """``virErrorNumber`` of the failure."""
        value: int | None = self._field(0)
        return value

    def get_error_domain(self) -> int | None:
        """``virErrorDomain``: the part that failed."""
        value: int | None = self._field(1)
        return value

    def get_error_message(self) -> str | None:
        """The whole message, as libvirt words it."""
        value: str | None = self._field(2)
        return value

    def get_error_level(self) -> int | None:
        """``virErrorLevel``: 2, an error."""
        value: int | None = self._field(3)
        return value

    def get_str1(self) -> str | None:
        """The form of the message, with ``%s`` for what ``get_str2`` says."""
        value: str | None = self._field(4)
        return value

    def get_str2(self) -> str | None:
        """What is particular to this failure: mostly the message without libvirt's prefix."""
        value: str | None = self._field(5)
        return value

    def get_str3(self) -> str | None:
        """Always None here."""
        value: str | None = self._field(6)
        return value

    def get_int1(self) -> int | None:
        """The errno of a system error, else -1."""
        value: int | None = self._field(7)
        return value

    def get_int2(self) -> int | None:
        """Always -1 here."""
        value: int | None = self._field(8)
        return value


def _bounded(detail: str) -> str:
    if len(detail) <= LONGEST:
        return detail
    left = len(detail) - LONGEST
    return f"{detail[: LONGEST // 2]} [{left} characters left out] {detail[-LONGEST // 2 :]}"


@contextmanager
def errors_of(virdomain: int) -> Iterator[None]:
    """Around code that serves many parts: an error that names no domain of its own gets ``virdomain``."""
    try:
        yield
    except libvirtError as error:
        if error.err is not None and error.err[1] == 0:
            error.err = (error.err[0], virdomain, *error.err[2:])
        raise


class InternalError(libvirtError):
    code, prefix = 1, "internal error"


class OutcomeUnknown(InternalError):
    """The call may have happened; ``operation`` is what to ask for later, empty when it is not known."""

    operation = ""


class NotSupported(libvirtError):
    code, prefix = 3, "this function is not supported by the connection driver"


class NoConnect(libvirtError):
    code, prefix = 5, "no connection driver available"


class InvalidConnection(libvirtError):
    code, prefix = 6, "invalid connection pointer in"


class ForkedError(InvalidConnection):
    """The handle belongs to the parent process."""


class InvalidArgument(libvirtError):
    code, prefix = 8, "invalid argument"


class OperationFailed(libvirtError):
    code, prefix = 9, "operation failed"


class XmlError(libvirtError):
    code, prefix = 27, "XML error"


class XmlDetail(XmlError):
    code, prefix = 35, "XML error"


class OperationDenied(libvirtError):
    code, prefix = 29, "operation forbidden"


class SystemError_(libvirtError):  # noqa: N801 - the builtin has the plain name
    code, prefix = 38, ""


class RootBusy(SystemError_):
    """Another process owns the root; the message names its pid, start time and command."""


class OperationInvalid(libvirtError):
    code, prefix = 55, "Requested operation is not valid"


class ConfigUnsupported(libvirtError):
    code, prefix = 67, "unsupported configuration"


class SettingsError(ConfigUnsupported):
    """Names the file and line (or variable), and what is accepted."""

    virdomain = 9


class OperationTimeout(libvirtError):
    """``operation`` is the id of what had no answer in time; empty when it is not known."""

    code, prefix = 68, "Timed out during operation"
    operation = ""


class ArgumentUnsupported(libvirtError):
    code, prefix = 74, "argument unsupported"


class OperationAborted(libvirtError):
    code, prefix = 78, "operation aborted"


class OperationUnsupported(libvirtError):
    code, prefix = 84, "Operation not supported"


class ResourceBusy(libvirtError):
    code, prefix = 87, "resource busy"


class MailboxFull(ResourceBusy):
    """As many calls as the settings allow wait for this actor already; nothing was sent."""


class AccessDenied(libvirtError):
    code, prefix = 88, "access denied"


class ActorUnavailable(OperationFailed):
    """The actor is not running; the call had certainly no effect."""


class NotStarted(ActorUnavailable):
    """The actor died before it began the call; it had certainly no effect."""


class Quarantined(ActorUnavailable):
    """The actor failed too often; the message says why and since when."""
