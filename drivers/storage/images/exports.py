"""What a server exports over NFS: showmount's command and what it prints."""

from __future__ import annotations

import re

_LINE = re.compile(r"(/.*\S) +\S+")


def show(host: str) -> list[str]:
    """Prints a directory and who may mount it a line."""
    return ["showmount", "--no-headers", "--exports", host]


def shown(text: str) -> tuple[str, ...]:
    """The directories, of ``show``."""
    return tuple(found[1] for line in text.splitlines() if (found := _LINE.fullmatch(line.strip())))
