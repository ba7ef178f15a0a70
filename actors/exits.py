"""Why a child ended, in OTP's words (SUPERVISION 3.2)."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "normal", "shutdown", "ignored",
    "error", "start_failed", "start_timeout", "hung", "fenced", "killed", "lost",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exit:
    """``kind`` with the error behind it and what the child was doing; ``text``: a traceback that was kept."""

    kind: Kind
    error: BaseException | None = None
    doing: str = ""
    term: str = ""
    text: str = ""

    @property
    def abnormal(self) -> bool:
        """All but ``normal``, ``shutdown`` and ``ignored``."""
        return self.kind not in ("normal", "shutdown", "ignored")

    def __str__(self) -> str:
        cause = self.term or (_text(self.error) if self.error is not None else "")
        return f"{self.kind}({cause})" if cause else self.kind

    def traceback(self) -> str:
        """The error's traceback as text, empty when there is none."""
        return "".join(traceback.format_exception(self.error)) if self.error is not None else self.text

    def kept(self) -> Exit:
        """The same in words, for the record: an error holds its frames, and they hold the whole actor."""
        if self.error is None:
            return self
        return replace(self, error=None, term=self.term or _text(self.error), text=self.traceback())


def _text(error: BaseException) -> str:
    """Class and message; the message of a foreign error may itself fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a report must come out whatever the error's author did
        return f"{type(error).__name__}: (its text cannot be read)"


NORMAL = Exit("normal")
SHUTDOWN = Exit("shutdown")
IGNORED = Exit("ignored")
"""OTP's ``ignore``: the start found nothing to do, so nothing restarts it, whatever its restart type."""
